package influx3_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// dataFusion is the query engine of InfluxDB 3, run by node.
type dataFusion struct {
	mu      sync.Mutex
	in      io.Writer
	answers *bufio.Reader
}

// startDataFusion runs the engine until the test is over. Where it cannot be
// had the test is skipped; in CI it fails. With -short no server is started.
func startDataFusion(t testing.TB) *dataFusion {
	t.Helper()
	if testing.Short() {
		t.Skip("needs node and DataFusion, and -short starts no server")
	}
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("node is missing: %v", err)
	}
	var major int
	version, err := exec.Command(node, "--version").Output()
	if _, scan := fmt.Sscanf(string(version), "v%d", &major); err != nil || scan != nil || major < 20 {
		missing("node is %s, and 20 or newer is needed: packaging/test.sh brings it (%v)", version, err)
	}
	dir, err := installDataFusion()
	if err != nil {
		missing("datafusion-wasm is missing: %v", err)
	}
	process := exec.Command(node, "testdata/datafusion.mjs", dir)
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := process.Wait(); err != nil {
			t.Errorf("datafusion ended: %v", err)
		}
	})
	return &dataFusion{in: in, answers: bufio.NewReader(out)}
}

// installDataFusion puts the package that package-lock.json names into a cache
// of the user, once.
func installDataFusion() (dir string, err error) {
	cache := os.Getenv("TESTS_TOOLS")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "tocsin-test")
	}
	home := filepath.Join(cache, "influx3")
	dir = filepath.Join(home, "node_modules", "datafusion-wasm")
	if _, err := os.Stat(filepath.Join(dir, "datafusion_wasm_bg.wasm")); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(home, name), text, 0o644); err != nil {
			return "", err
		}
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = home
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, nil
}

// table is an answer of the engine.
type table struct {
	Columns []struct{ Name, Type string }
	Rows    [][]*string
	Error   string
}

func (d *dataFusion) do(sql string) (table, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line, err := json.Marshal(sql)
	if err != nil {
		return table{}, err
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		return table{}, err
	}
	line, err = d.answers.ReadBytes('\n')
	if err != nil {
		return table{}, err
	}
	var out table
	return out, json.Unmarshal(line, &out)
}

// answer runs a statement as InfluxDB 3 does: what the planner or the engine
// refuses is an invalid argument.
func (d *dataFusion) answer(sql string) ([]arrow.RecordBatch, error) {
	got, err := d.do(sql)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if got.Error != "" {
		return nil, status.Error(codes.InvalidArgument, got.Error)
	}
	return []arrow.RecordBatch{got.batch()}, nil
}

func (t table) batch() arrow.RecordBatch {
	var fields []arrow.Field
	for _, c := range t.Columns {
		fields = append(fields, arrow.Field{Name: c.Name, Type: typeOf(c.Type), Nullable: true})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, row := range t.Rows {
		for i, cell := range row {
			if cell == nil {
				b.Field(i).AppendNull()
			} else if err := appendCell(b.Field(i), *cell); err != nil {
				panic(err)
			}
		}
	}
	return b.NewRecordBatch()
}

func typeOf(name string) arrow.DataType {
	switch {
	case strings.HasPrefix(name, "Dictionary"):
		return &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	case strings.HasPrefix(name, "Timestamp"):
		return &arrow.TimestampType{Unit: arrow.Nanosecond}
	}
	known := map[string]arrow.DataType{
		"Float64": arrow.PrimitiveTypes.Float64, "Int64": arrow.PrimitiveTypes.Int64, "UInt64": arrow.PrimitiveTypes.Uint64,
		"Int32": arrow.PrimitiveTypes.Int32, "Boolean": arrow.FixedWidthTypes.Boolean, "Utf8": arrow.BinaryTypes.String,
	}
	if known[name] == nil {
		panic("no arrow type for " + name)
	}
	return known[name]
}

func appendCell(b array.Builder, cell string) error {
	if stamps, ok := b.(*array.TimestampBuilder); ok {
		ns, err := strconv.ParseInt(cell, 10, 64)
		stamps.Append(arrow.Timestamp(ns))
		return err
	}
	return b.AppendValueFromString(cell)
}

// load makes a view of each measurement in the lines, typed as InfluxDB 3
// types its tables.
func (d *dataFusion) load(t testing.TB, lines []string) {
	t.Helper()
	for name, m := range measurements(t, lines) {
		got, err := d.do(m.view(name))
		if err != nil || got.Error != "" {
			t.Fatalf("load %s: %v %s", name, err, got.Error)
		}
	}
}

// measurement is a table in the making: the type of each column, and the
// literals of each row.
type measurement struct {
	types map[string]string
	rows  []map[string]string
}

func measurements(t testing.TB, lines []string) map[string]*measurement {
	t.Helper()
	out := map[string]*measurement{}
	decoder := lineprotocol.NewDecoderWithBytes([]byte(strings.Join(lines, "\n")))
	for decoder.Next() {
		name, err := decoder.Measurement()
		if err != nil {
			t.Fatal(err)
		}
		m := out[string(name)]
		if m == nil {
			m = &measurement{types: map[string]string{"time": "Timestamp(Nanosecond, None)"}}
			out[string(name)] = m
		}
		if err := m.add(decoder); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (m *measurement) add(decoder *lineprotocol.Decoder) error {
	row := map[string]string{}
	for {
		key, value, err := decoder.NextTag()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		m.types[string(key)] = "Dictionary(Int32, Utf8)"
		row[string(key)] = literal(string(value))
	}
	for {
		key, value, err := decoder.NextField()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		m.types[string(key)], row[string(key)] = field(value)
	}
	at, err := decoder.TimeBytes()
	row["time"] = string(at)
	m.rows = append(m.rows, row)
	return err
}

func field(v lineprotocol.Value) (kind, text string) {
	switch v.Kind() {
	case lineprotocol.Int:
		return "Int64", strconv.FormatInt(v.IntV(), 10)
	case lineprotocol.Uint:
		return "UInt64", strconv.FormatUint(v.UintV(), 10)
	case lineprotocol.Bool:
		return "Boolean", strconv.FormatBool(v.BoolV())
	case lineprotocol.String:
		return "Utf8", literal(v.StringV())
	}
	return "Float64", fmt.Sprintf("%.12f", v.FloatV()) // with a point, or it is an integer
}

func (m *measurement) view(name string) string {
	columns := slices.Sorted(maps.Keys(m.types))
	var selected, rows []string
	for i, column := range columns {
		selected = append(selected, fmt.Sprintf("arrow_cast(column%d, '%s') AS %s", i+1, m.types[column], quoted(column)))
	}
	for _, row := range m.rows {
		var cells []string
		for _, column := range columns {
			cell, ok := row[column]
			if !ok {
				cell = "NULL"
			}
			cells = append(cells, cell)
		}
		rows = append(rows, "("+strings.Join(cells, ", ")+")")
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW iox.%s AS SELECT %s FROM (VALUES %s)", quoted(name),
		strings.Join(selected, ", "), strings.Join(rows, ", "))
}

func quoted(name string) string  { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }
