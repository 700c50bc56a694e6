package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// askChannel asks which service a channel is for, and what that needs.
func (c *call) askChannel(ctx context.Context, name string) (rules.Secret, error) {
	forms := c.builder.Forms()
	for i, f := range forms {
		fmt.Fprintf(c.err, "%3d  %s\n", i+1, f.Title)
	}
	fmt.Fprintf(c.err, "%3d  %s\n", 0, "I have its whole URL")
	choice, err := c.ask("Which service is channel " + name + " for? ")
	if err != nil {
		return rules.Secret{}, err
	}
	if choice == "0" {
		return c.askSecret("Its URL, for example ntfy://ntfy.sh/my-topic (not shown): ")
	}
	form, err := chosen(forms, choice)
	if err != nil {
		return rules.Secret{}, err
	}
	fields := map[string]rules.Secret{}
	for _, field := range form.Fields {
		if fields[field.Name], err = c.askField(ctx, form.Kind, field, fields); err != nil {
			return rules.Secret{}, err
		}
	}
	return c.builder.Build(form.Kind, fields)
}

// chosen finds a form by its number, kind or title.
func chosen(forms []notify.Form, choice string) (notify.Form, error) {
	n, err := strconv.Atoi(choice)
	for i, f := range forms {
		if err == nil && n == i+1 || strings.EqualFold(choice, f.Kind) || strings.EqualFold(choice, f.Title) {
			return f, nil
		}
	}
	return notify.Form{}, rules.Errorf(rules.Invalid,
		"that is none of them; give the number of a service from 1 to %d, or 0", len(forms))
}

func (c *call) askField(ctx context.Context, kind string, field notify.FormField,
	given map[string]rules.Secret,
) (rules.Secret, error) {
	if kind == "telegram" && field.Name == "chats" {
		if chat := c.findChat(ctx, given["token"]); chat != "" {
			return rules.NewSecret(chat), nil
		}
	}
	hint := "for example " + field.Example
	switch {
	case field.Otherwise != "":
		hint = "Enter for " + field.Otherwise
	case field.Optional:
		hint = "Enter for none"
	}
	prompt := fmt.Sprintf("%s: %s (%s): ", field.Name, field.Help, hint)
	if field.Secret {
		return c.askSecret(strings.TrimSuffix(prompt, "): ") + "; not shown): ")
	}
	text, err := c.ask(prompt)
	return rules.NewSecret(text), err
}

// chatPatience is how long a message to a bot is waited for.
const chatPatience = 2 * time.Minute

// findChat waits until somebody writes to a Telegram bot, and takes that chat
// when the person agrees; "" when the number is to be asked for.
func (c *call) findChat(ctx context.Context, token rules.Secret) string {
	fmt.Fprintln(c.err, "Send any message to your bot now, or in the group or channel that it is in.")
	ctx, cancel := context.WithTimeout(ctx, chatPatience)
	defer cancel()
	poll := time.NewTicker(2 * time.Second)
	defer poll.Stop()
	for {
		chats, err := c.builder.Chats(ctx, token)
		if err != nil {
			fmt.Fprintln(c.err, clean(err.Error()))
			return ""
		}
		for _, chat := range chats {
			if c.agreed("Found the chat with " + chat.Name + " (" + chat.ID + "). Use it?") {
				return chat.ID
			}
		}
		if len(chats) > 0 {
			return ""
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ""
		}
	}
}

// ask asks on the terminal for one line.
func (c *call) ask(prompt string) (string, error) {
	fmt.Fprint(c.err, clean(prompt))
	text, err := typed(c.cmd.Context(), func() (string, error) { return readLine(c.cmd.InOrStdin()) })
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	return strings.TrimSpace(text), nil
}

// readLine reads byte by byte, so that what is typed ahead is left for the
// next question.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxURL {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[:n]...)
		if errors.Is(err, io.EOF) && len(line) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("the line is too long")
}

// askSecret asks on the terminal without showing what is typed.
func (c *call) askSecret(prompt string) (rules.Secret, error) {
	fmt.Fprint(c.err, clean(prompt))
	fd := int(c.cmd.InOrStdin().(*os.File).Fd())
	echoing, err := term.GetState(fd)
	if err != nil {
		return rules.Secret{}, fmt.Errorf("ask on the terminal: %w", err)
	}
	text, err := typed(c.cmd.Context(), func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
	fmt.Fprintln(c.err)
	if err != nil {
		return rules.Secret{}, errors.Join(fmt.Errorf("read from the terminal: %w", err), term.Restore(fd, echoing))
	}
	return rules.NewSecret(strings.TrimSpace(text)), nil
}
