package mcp

import (
	"context"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
)

// completer proposes values while somebody types an argument.
type completer struct{ *Server }

var (
	_ server.PromptCompletionProvider   = completer{}
	_ server.ResourceCompletionProvider = completer{}
)

// mostCompletions is what the protocol allows in one answer.
const mostCompletions = 100

// CompletePromptArgument completes the arguments of the prompts, which are
// named after what they hold.
func (c completer) CompletePromptArgument(ctx context.Context, prompt string, a mcp.CompleteArgument,
	known mcp.CompleteContext,
) (*mcp.Completion, error) {
	for _, r := range recipes {
		for _, argument := range r.arguments {
			if r.name == prompt && argument.Name == a.Name {
				return c.complete(ctx, a, known.Arguments["measurement"])
			}
		}
	}
	return &mcp.Completion{Values: []string{}}, nil
}

// CompleteResourceArgument completes the id of an alert.
func (c completer) CompleteResourceArgument(ctx context.Context, uri string, a mcp.CompleteArgument,
	_ mcp.CompleteContext,
) (*mcp.Completion, error) {
	if uri != alertURI+"{id}" || a.Name != "id" {
		return &mcp.Completion{Values: []string{}}, nil
	}
	a.Name = "alert"
	return c.complete(ctx, a, "")
}

// complete proposes nothing where what is there cannot be read: completing is
// help, and its failure no news.
func (c completer) complete(ctx context.Context, a mcp.CompleteArgument, measurement string) (*mcp.Completion, error) {
	if !c.caller(ctx).Scope.Allows(app.ScopeRead) {
		return &mcp.Completion{Values: []string{}}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := c.candidates(ctx, a.Name, measurement)
	if err != nil {
		c.log.Info("nothing to complete with", "argument", a.Name, "error", c.secrets.Clean(err.Error()))
	}
	fit := fitting(all, a.Value)
	return &mcp.Completion{
		Values: notNull(fit[:min(len(fit), mostCompletions)]), Total: len(fit),
		HasMore: len(fit) > mostCompletions,
	}, nil
}

func (c completer) candidates(ctx context.Context, argument, measurement string) (out []string, err error) {
	switch argument {
	case "measurement":
		return insight.New(c.app).MeasurementNames(ctx)
	case "field":
		return insight.New(c.app).FieldNames(ctx, measurement)
	case "tag":
		return insight.New(c.app).TagNames(ctx, measurement)
	case "since":
		return []string{"12h", "24h", "3d", "7d"}, nil
	case "channel":
		list, err := c.app.ListChannels(ctx)
		for _, channel := range list {
			out = append(out, channel.Name)
		}
		return out, err
	case "rule":
		list, _, err := c.app.ListRules(ctx, app.RuleFilter{})
		for _, r := range list {
			out = append(out, r.Name)
		}
		return out, err
	case "alert":
		list, _, err := c.app.Alerts(ctx, app.AlertFilter{Limit: 1000})
		for _, v := range list {
			out = append(out, v.ID)
		}
		return out, err
	}
	return nil, nil
}

// fitting lists those that begin with what was typed, then those that hold it
// elsewhere. What cannot be shown as it is, is not proposed.
func fitting(all []string, typed string) []string {
	var begin, inside []string
	typed = strings.ToLower(typed)
	for _, name := range all {
		lower := strings.ToLower(name)
		switch {
		case cleaned(name, dataSize) != name:
		case strings.HasPrefix(lower, typed):
			begin = append(begin, name)
		case strings.Contains(lower, typed):
			inside = append(inside, name)
		}
	}
	return append(begin, inside...)
}
