package mcp

import (
	"context"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// What asks before it is done: a call after which an alarm that would have
// come does not come any more. That is to delete a rule, to disable one that is
// wrong or about to be, to undo or restore with either effect, to silence
// everything, and to silence without an end. What can only add alarms, or holds
// one back for a time that was given, does not.

// confirm is the argument that says that the user agreed.
var confirm = text("confirm", "token the answer gave")

// question is what has to be confirmed before an act.
type question struct {
	tool    string
	text    string // what would happen, for the user
	subject string // the id of what it happens to
	state   string // what that is now: its version
	effect  string // what the act makes of it
}

// about is what a token is bound to: with another tool, caller, subject,
// version or effect it is worth nothing.
func (s *Server) about(ctx context.Context, step string, q question) []string {
	return []string{step, q.tool, s.caller(ctx).Name, q.subject, q.state, q.effect}
}

// The two things a token can stand for.
const (
	stepToken = "confirm" // the answer told what would happen
	stepAsked = "asked"   // the client was sent to ask its user
)

// inputKey names the one question that a call asks.
const inputKey = "confirm"

// unanswered interrupts a call until the client has asked its user.
type unanswered struct{ result *mcp.CallToolResult }

// Error is for nobody: the handler sends the result.
func (*unanswered) Error() string { return "the user is to be asked" }

// ask settles whether an act may be done. It returns no token when it may, and
// a token when the client cannot ask its user: the call then only says what
// would happen, and the same call with the token does it.
func (s *Server) ask(ctx context.Context, a *arguments, token string, q question) (string, error) {
	a.subject = q.subject
	if token != "" {
		return "", s.app.CheckConsent(ctx, token, s.about(ctx, stepToken, q)...)
	}
	action, err := s.elicit(ctx, a, q)
	switch {
	case err != nil:
		return "", err
	case action == mcp.ElicitationResponseActionAccept:
		return "", nil
	case action == mcp.ElicitationResponseActionDecline:
		a.outcome = app.ActDeclined
		return "", rules.Errorf(rules.Forbidden, "the user was asked and said no; do not try again unless they ask for it")
	}
	// A cancel is no answer: clients without a user in front of them cancel
	// every question.
	a.outcome = app.ActAsked
	a.token, err = s.app.Consent(ctx, s.about(ctx, stepToken, q)...)
	return a.token, err
}

// elicit asks the user where the client can, in the manner of its protocol.
func (s *Server) elicit(ctx context.Context, a *arguments, q question) (mcp.ElicitationResponseAction, error) {
	modern := server.IsModernRequest(ctx)
	switch {
	case modern && len(a.round.InputResponses) > 0:
		return s.answered(ctx, a, q)
	case !asksUsers(ctx):
		return mcp.ElicitationResponseActionCancel, nil
	case modern:
		return "", s.interrupt(ctx, q)
	}
	waiting, cancel := context.WithTimeout(ctx, app.ConsentLasts)
	defer cancel()
	result, err := s.protocol.RequestElicitation(waiting, mcp.ElicitationRequest{
		Request: mcp.Request{Method: string(mcp.MethodElicitationCreate)}, Params: yesOrNo(q.text),
	})
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil || result == nil:
		s.log.Warn("the client could not ask its user", "tool", q.tool, "error", err)
		return mcp.ElicitationResponseActionCancel, nil
	}
	return meant(result), nil
}

// meant is what an answer says. Some clients accept by themselves whatever
// needs no word of their user: an acceptance without one is no answer.
func meant(result *mcp.ElicitationResult) mcp.ElicitationResponseAction {
	if result.Action != mcp.ElicitationResponseActionAccept {
		return result.Action
	}
	said, _ := result.Content.(map[string]any)
	switch said[agreeKey] {
	case true:
		return mcp.ElicitationResponseActionAccept
	case false:
		return mcp.ElicitationResponseActionDecline
	}
	return mcp.ElicitationResponseActionCancel
}

// interrupt ends the call with the question. The client sends the call again
// with the answer and the sealed state.
func (s *Server) interrupt(ctx context.Context, q question) error {
	state, err := s.app.Consent(ctx, s.about(ctx, stepAsked, q)...)
	if err != nil {
		return err
	}
	return &unanswered{server.NewInputRequestBuilder(state).Elicit(inputKey, yesOrNo(q.text)).ToolResult()}
}

// answered reads the answer to a question. The state says that it was this
// question: without it a yes to one act would do another.
func (s *Server) answered(ctx context.Context, a *arguments, q question) (mcp.ElicitationResponseAction, error) {
	if err := s.app.CheckConsent(ctx, a.round.RequestState, s.about(ctx, stepAsked, q)...); err != nil {
		return "", rules.Errorf(rules.Conflict,
			"the answer of the user is not to this question, or came too late, or what it is about has changed since; make "+
				"the call anew")
	}
	result := server.ElicitationResponse(a.round.InputResponses, inputKey)
	if result == nil {
		return mcp.ElicitationResponseActionCancel, nil
	}
	return meant(result), nil
}

// agreeKey is the one thing that a question asks for.
const agreeKey = "agree"

// yesOrNo is a question that is answered with true or false.
func yesOrNo(text string) mcp.ElicitationParams {
	return mcp.ElicitationParams{
		Message: cleaned(text, 2*noteSize),
		RequestedSchema: json.RawMessage(`{"type":"object","properties":{"` + agreeKey +
			`":{"type":"boolean","title":"Do it","description":"true does it, false leaves all as it is"}},"required":["` +
			agreeKey + `"]}`),
	}
}

// asksUsers reports whether the client said that it can put a form before its
// user.
func asksUsers(ctx context.Context) bool {
	can := capabilities(ctx).Elicitation
	return can != nil && (can.Form != nil || can.URL == nil)
}

// capabilities are what the client can do: told in each request of the newer
// protocol, in the handshake of the older one.
func capabilities(ctx context.Context) mcp.ClientCapabilities {
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		if info.ClientCapabilities == nil {
			return mcp.ClientCapabilities{}
		}
		return *info.ClientCapabilities
	}
	if session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		return session.GetClientCapabilities()
	}
	return mcp.ClientCapabilities{}
}

// unconfirmed tells what a call would do and how to do it.
func unconfirmed(would, token string) string {
	return "Nothing was changed yet. " + would + " If the user asked for exactly this, that is their consent: repeat " +
		"the call with \"confirm\": " + quoted(token) + " within 10 minutes. Else tell them this and ask first."
}
