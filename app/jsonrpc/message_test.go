package jsonrpc_test

import (
	"encoding/json"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// TestTheProtocolSaysTheSame: what is written here is what the protocol's own
// library says.
func TestTheProtocolSaysTheSame(t *testing.T) {
	for name, codes := range map[string][2]int{
		"no JSON": {jsonrpc.ParseError, mcp.PARSE_ERROR}, "no message": {jsonrpc.InvalidRequest, mcp.INVALID_REQUEST},
		"our fault": {jsonrpc.InternalError, mcp.INTERNAL_ERROR},
	} {
		if codes[0] != codes[1] {
			t.Errorf("%s is %d, not %d", name, codes[0], codes[1])
		}
	}
	for _, version := range append(mcp.ValidProtocolVersions, "3000-01-01") {
		meta := map[string]any{"_meta": map[string]any{mcp.MetaKeyProtocolVersion: version}}
		m, wrong := jsonrpc.Parse(jsonrpc.Notification(string(mcp.MethodToolsCall), meta).Raw)
		if wrong != nil || (m.Version != "") != mcp.IsModernProtocol(version) {
			t.Errorf("%s is read as version %q, %v", version, m.Version, wrong)
		}
		var result struct{ IsError, ResultType any }
		if err := json.Unmarshal(m.Refused("no").Result, &result); err != nil || result.IsError != true {
			t.Errorf("refused by %+v, %v", result, err)
		}
		if modern := result.ResultType == string(mcp.ResultTypeComplete); modern != (m.Version != "") {
			t.Errorf("the type of a result of %s is %v", version, result.ResultType)
		}
	}
}
