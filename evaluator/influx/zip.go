package influx

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// unzip has an answer read plain that is packed although nobody asked for that,
// as some proxies do.
func unzip(resp *http.Response) {
	if strings.EqualFold(strings.TrimSpace(resp.Header.Get("Content-Encoding")), "gzip") {
		resp.Body = &zipped{body: resp.Body}
	}
}

// zipped is a body in gzip, which begins to be read when somebody does.
type zipped struct {
	body  io.ReadCloser
	plain *gzip.Reader
	err   error
}

// Read reads what is in it.
func (z *zipped) Read(p []byte) (int, error) {
	if z.plain == nil && z.err == nil {
		z.plain, z.err = gzip.NewReader(z.body)
	}
	if z.err != nil {
		return 0, z.err
	}
	return z.plain.Read(p)
}

// Close closes the body.
func (z *zipped) Close() error { return z.body.Close() }
