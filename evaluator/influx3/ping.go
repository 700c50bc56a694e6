package influx3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/9bikes/tocsin/rules"
)

// Ping tells which InfluxDB 3 answers, after it has answered SQL for the
// database.
func (c *Client) Ping(ctx context.Context) (version string, err error) {
	number, err := c.version(ctx)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(number, "1.") || strings.HasPrefix(number, "2.") {
		return "", rules.Errorf(rules.Invalid, "%s is InfluxDB %s, which has no SQL; ask it in InfluxQL", c.base.Host, number)
	}
	if err := c.refresh(); err != nil {
		return "", err
	}
	if err := c.ask(ctx, "SELECT 1", func(arrow.RecordBatch) error { return nil }); err != nil {
		return "", err
	}
	if number == "" {
		number = "3"
	}
	return "InfluxDB " + number, nil
}

// version asks for the version over HTTP. It is empty where the server does
// not tell, which is no error: some want another token for it.
func (c *Client) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("ping").String(), nil)
	if err != nil {
		return "", fmt.Errorf("ping InfluxDB 3: %w", c.redacted(err))
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if _, trouble := rules.TLSTrouble(err); trouble != "" {
		return "", rules.Errorf(rules.Unavailable, "InfluxDB 3 at %s cannot be asked safely: %s", c.base.Host, trouble)
	}
	if err != nil {
		return "", c.refusal(ctx, status.Error(codes.Unavailable, err.Error()))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if closing := response.Body.Close(); err != nil || closing != nil {
		return "", c.refusal(ctx, status.Error(codes.Unavailable, errors.Join(err, closing).Error()))
	}
	var body struct {
		Version string `json:"version"`
	}
	number := response.Header.Get("X-Influxdb-Version")
	if number == "" && json.Unmarshal(text, &body) == nil {
		number = body.Version
	}
	return plainVersion(number), nil
}

// plainVersion returns 3.4.1 for v3.4.1, and nothing for what is no number.
func plainVersion(text string) string {
	text = strings.TrimPrefix(text, "v")
	if text == "" || text[0] < '0' || text[0] > '9' || len(text) > 40 {
		return ""
	}
	return text
}
