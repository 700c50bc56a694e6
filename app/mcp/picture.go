package mcp

import (
	"encoding/base64"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/insight"
)

// picture is the part of an answer that no JSON holds.
type picture struct{ png []byte }

// illustrated is an answer that may have a picture.
type illustrated interface{ contents() []mcp.Content }

// contents is the picture as clients take it.
func (p picture) contents() []mcp.Content {
	if len(p.png) == 0 {
		return nil
	}
	return []mcp.Content{mcp.NewImageContent(base64.StdEncoding.EncodeToString(p.png), "image/png")}
}

// draw draws a chart that was asked for. Where that is not possible the numbers
// have to do.
func (p *picture) draw(s *Server, c *insight.Chart, asked bool, warnings *[]string) {
	switch {
	case !asked:
		return
	case c == nil:
		*warnings = append(*warnings, "there is no picture: this is text, or there is nothing to draw")
		return
	case s.draw == nil:
		*warnings = append(*warnings, "there is no picture: this program cannot draw")
		return
	}
	png, err := s.draw(*c)
	if err != nil {
		s.log.Error("chart not drawn", "error", err)
		*warnings = append(*warnings, "there is no picture: it could not be drawn; the cause is in the log")
		return
	}
	p.png = png
}
