package clients

import (
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// Reach are the arguments of `tocsin mcp` that reach a daemon at an address, or at
// unix: and the path of its socket, with the file of a token where one is
// needed; and what people should know about them. What is refused is a field of
// `tocsin init`, by its flag.
func Reach(connect, tokenFile string) (args, warnings []string, err error) {
	if path, ok := strings.CutPrefix(connect, "unix:"); ok {
		if tokenFile != "" {
			return nil, nil, rules.FieldErrorf("--token-file", "is not needed at a socket: the system says who you are")
		}
		if path, err = filepath.Abs(path); err != nil || connect == "unix:" {
			return nil, nil, rules.FieldErrorf("--connect",
				"must name the socket; for example --connect unix:/run/tocsin/tocsin.sock")
		}
		return []string{"--connect", "unix:" + path}, nil, nil
	}
	u, err := endpoint(connect)
	if err != nil {
		return nil, nil, err
	}
	args = []string{"--connect", u.String()}
	here := rules.Loopback(u.Hostname())
	if tokenFile == "" && !here {
		return nil, nil, rules.FieldErrorf("--token-file",
			"is missing: %s asks for a token. Make one there with `tocsin tokens add %s --scope write`, put it into a file "+
				"that only you can read, and name that file", u.Host, "laptop")
	}
	if u.Scheme == "http" && !here {
		warnings = append(warnings,
			"over http:// everybody on the way can read the token; a proxy with TLS in front, or ssh, keeps it")
	}
	if tokenFile == "" {
		return args, warnings, nil
	}
	file, err := filepath.Abs(tokenFile)
	if err != nil {
		return nil, nil, rules.FieldErrorf("--token-file", "cannot be made an absolute path: %v", err)
	}
	return append(args, "--token-file", file), append(warnings, tokenFileWarnings(file)...), nil
}

// endpoint reads the address of a daemon. An address that holds a credential is
// refused and not repeated.
func endpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, rules.FieldErrorf("--connect",
			"must be an address such as http://raspberrypi.lan:8627, or unix: and the path of a socket")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, rules.FieldErrorf("--connect",
			"must be scheme, host and path alone: the token goes into a file, see --token-file")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/mcp"
	}
	return u, nil
}

func tokenFileWarnings(file string) []string {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return []string{"there is no file " + file + " that you can read yet: put the token into it, and nothing else"}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return []string{"other users of this machine can read " + file + "; mend it with: chmod 600 " + Quoted(file)}
	}
	return nil
}
