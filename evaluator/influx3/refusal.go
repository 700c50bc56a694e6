package influx3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// longestCause limits how much of the server's own words goes to the log.
const longestCause = 1000

// refusal turns an error of the driver into one of ours, with the driver's
// words behind it for the log.
func (c *Client) refusal(ctx context.Context, err error) error {
	s := status.Convert(err)
	if s.Code() == codes.Unavailable {
		c.stale.Store(true)
	}
	return fmt.Errorf("%w: %w", c.sentence(ctx, s), c.redacted(err))
}

func (c *Client) sentence(ctx context.Context, s *status.Status) error {
	at := c.base.Host
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return evaluator.TooMuch(rules.Errorf(rules.Unavailable,
			"InfluxDB 3 at %s did not answer in time; a longer timeout of the source or a shorter window may help", at))
	}
	switch s.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		return rules.Errorf(rules.Unavailable, "InfluxDB 3 at %s was not waited for", at)
	case codes.Unauthenticated, codes.PermissionDenied:
		return rules.Errorf(rules.Unavailable,
			"InfluxDB 3 at %s refuses the token; set token_file of the source to one that may read database %q", at, c.database)
	case codes.NotFound:
		return rules.Errorf(rules.Unavailable, "InfluxDB 3 at %s has no database %q; check url and database of the source",
			at, c.database)
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.AlreadyExists:
		return rules.Errorf(rules.Invalid, "InfluxDB 3 at %s refuses the query; explain shows its text", at)
	case codes.Unimplemented:
		return rules.Errorf(rules.Invalid,
			"%s does not answer SQL over Flight; is it an InfluxDB 3? Older versions are asked in InfluxQL", at)
	case codes.ResourceExhausted, codes.Internal, codes.Unknown:
		return c.tooMuch(at, s)
	}
	return rules.Errorf(rules.Unavailable,
		"InfluxDB 3 at %s cannot be reached; look whether it runs and whether the address is right", at)
}

// tooMuch tells a query that asks for too much, which has no code of its own,
// from a server in trouble.
func (c *Client) tooMuch(at string, s *status.Status) error {
	switch text := s.Message(); {
	case strings.Contains(text, "file limit"):
		return evaluator.TooMuch(rules.Errorf(rules.Invalid,
			"InfluxDB 3 at %s cannot look back that far: the query needs more files than --query-file-limit allows; ask for a "+
				"shorter time", at))
	case strings.Contains(text, "larger than max"): // of gRPC, or errTooLarge
		return c.tooLarge()
	}
	return rules.Errorf(rules.Unavailable, "InfluxDB 3 at %s is in trouble and could not serve the query", at)
}

// tooLarge is the error for an answer that is not read to its end.
func (c *Client) tooLarge() error {
	c.memory.GiveBack()
	return evaluator.TooMuch(rules.Errorf(rules.Invalid,
		"the answer of InfluxDB 3 at %s is larger than %d MB; narrow the query with where, fewer tags in group_by or a "+
			"shorter window, or raise max_answer of the source",
		c.base.Host, c.maxAnswer>>20))
}

// redacted keeps the words of a foreign error, without the token, which a
// server or a proxy may repeat.
func (c *Client) redacted(err error) error {
	text := strings.ReplaceAll(err.Error(), c.token, "[token]")
	if c.token == noToken {
		text = err.Error()
	}
	if len(text) > longestCause {
		text = text[:longestCause] + "..."
	}
	return errors.New(strings.ToValidUTF8(text, "?"))
}
