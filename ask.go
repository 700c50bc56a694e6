package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/9bikes/tocsin/app"
)

// askPatience is how long the daemon may take to say how it is doing.
const askPatience = 3 * time.Second

// askStatus asks the daemon of this machine how it is doing: what it alone
// knows, such as its last tick, is in no database.
func askStatus(c *app.Config) func(context.Context) (app.Status, error) {
	return func(ctx context.Context) (s app.Status, err error) {
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(c.Listen)+"/status", nil)
		if err != nil {
			return s, err
		}
		if !c.Token.IsZero() {
			req.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return s, fmt.Errorf("ask the daemon: %w", err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return s, fmt.Errorf("ask the daemon: it answers %s", resp.Status)
		}
		return s, json.NewDecoder(resp.Body).Decode(&s)
	}
}
