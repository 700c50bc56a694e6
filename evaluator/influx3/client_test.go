package influx3_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx3"
	"github.com/9bikes/tocsin/rules"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	const url = "http://localhost:8181"
	for _, tt := range []struct {
		name string
		o    influx3.Options
		cure string
	}{
		{"no address", influx3.Options{Database: database}, "url: is missing; for example http://"},
		{"a host without scheme", influx3.Options{URL: "influx:8181", Database: database}, "must begin with http://"},
		{"a bare host", influx3.Options{URL: "influx", Database: database}, "must begin with http://"},
		{"another scheme", influx3.Options{URL: "grpc://influx:8181", Database: database}, "must begin with http://"},
		{"no host", influx3.Options{URL: "http://:8181", Database: database}, "name a host"},
		{"an IPv6 literal", influx3.Options{URL: "http://[::1]:8181", Database: database}, "give the host a name"},
		{"a base path", influx3.Options{URL: url + "/influx", Database: database}, "give the address of the server itself"},
		{"a query", influx3.Options{URL: url + "?token=" + token, Database: database}, "anything behind the host and port"},
		{
			"a password",
			influx3.Options{URL: "http://me:" + token + "@localhost", Database: database},
			"give the token as token",
		},
		{"no database", influx3.Options{URL: url}, "database: is missing"},
		{
			"a token with its line break",
			influx3.Options{URL: url, Database: database, Token: rules.NewSecret(token + "\n")},
			"copy it again",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := influx3.New(tt.o)
			if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), tt.cure) {
				t.Errorf("error = %v, want one that tells %q", err, tt.cure)
			}
			if err != nil && strings.Contains(fmt.Sprintf("%+v", err), token) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestNewLeavesTheProcessAlone(t *testing.T) {
	before := os.Environ()
	c, err := influx3.New(influx3.Options{URL: "https://influx.example/", Database: database})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if after := os.Environ(); !slices.Equal(before, after) {
		t.Errorf("environment = %q, was %q", after, before)
	}
}

func TestTheTokenIsSent(t *testing.T) {
	s := serve(t, usage(arrow.PrimitiveTypes.Float64, "1.5"))
	bare := s.client(t, func(o *influx3.Options) { o.Token = rules.Secret{} })
	for _, c := range []*influx3.Client{s.client(t), bare} {
		if _, err := one(c, cpu(rules.Mean)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"Bearer " + token, "Bearer none"}; !slices.Equal(s.tokens, want) {
		t.Errorf("tokens = %q, want %q", s.tokens, want)
	}
}

func TestTheTokenNeverShows(t *testing.T) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		s := serve(t, func(string) ([]arrow.RecordBatch, error) {
			return nil, status.Error(code, "you sent Bearer "+token)
		})
		s.ping = func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Authorization"), http.StatusUnauthorized)
		}
		c := s.client(t)
		_, query := one(c, cpu(rules.Mean))
		_, ping := c.Ping(t.Context())
		_, fields := c.Fields(t.Context(), "cpu")
		for _, err := range []error{query, ping, fields} {
			if err == nil {
				t.Fatalf("%s is no error", code)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, token) {
				t.Errorf("%s shows the token: %s", code, text)
			}
			if !strings.Contains(err.Error(), "you sent Bearer [token]") {
				t.Errorf("%s: %v, want the words of the server for the log", code, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		code codes.Code
		text string
		want rules.Code
		cure string
	}{
		{codes.Unavailable, "", rules.Unavailable, "look whether it runs"},
		{codes.DeadlineExceeded, "", rules.Unavailable, "not waited for"},
		{codes.Unauthenticated, "", rules.Unavailable, "refuses the token"},
		{codes.PermissionDenied, "", rules.Unavailable, "refuses the token"},
		{codes.NotFound, "", rules.Unavailable, `has no database "home"`},
		{codes.InvalidArgument, "", rules.Invalid, "refuses the query"},
		{codes.Unimplemented, "", rules.Invalid, "InfluxQL"},
		{codes.ResourceExhausted, "", rules.Unavailable, "in trouble"},
		{codes.Internal, "", rules.Unavailable, "in trouble"},
		{codes.Internal, "Query would exceed file limit of 432 parquet files", rules.Invalid, "a shorter time"},
		{
			codes.ResourceExhausted, "grpc: received message larger than max (300000000 vs. 268435456)", rules.Invalid,
			"narrow the query",
		},
	} {
		t.Run(tt.code.String()+" "+tt.text, func(t *testing.T) {
			s := serve(t, func(string) ([]arrow.RecordBatch, error) { return nil, status.Error(tt.code, tt.text) })
			_, err := one(s.client(t), cpu(rules.Mean))
			if rules.CodeOf(err) != tt.want || !strings.Contains(err.Error(), tt.cure) {
				t.Errorf("error = %v (%s), want %s that tells %q", err, rules.CodeOf(err), tt.want, tt.cure)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	c, err := influx3.New(influx3.Options{URL: "http://127.0.0.1:1", Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := one(c, cpu(rules.Mean)); rules.CodeOf(err) != rules.Unavailable ||
		!strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("query error = %v, want unavailable", err)
	}
	if _, err := c.Ping(t.Context()); rules.CodeOf(err) != rules.Unavailable ||
		!strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("ping error = %v, want unavailable", err)
	}
}

func TestAServerThatComesBackIsAskedAtOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := influx3.New(influx3.Options{URL: "http://" + free, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if _, err := one(c, cpu(rules.Mean)); rules.CodeOf(err) != rules.Unavailable {
			t.Fatalf("error = %v, want unavailable", err)
		}
	}
	serveAt(t, free, usage(arrow.PrimitiveTypes.Float64, "1.5"))
	if got, err := one(c, cpu(rules.Mean)); err != nil || len(got) != 1 {
		t.Errorf("got %d rows, %v; want one", len(got), err)
	}
}

func TestASlowServerTimesOut(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	s := serve(t, func(string) ([]arrow.RecordBatch, error) { <-over; return nil, nil })
	c := s.client(t, func(o *influx3.Options) { o.Timeout = 20 * time.Millisecond })
	if _, err := one(c, cpu(rules.Mean)); rules.CodeOf(err) != rules.Unavailable ||
		!strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("error = %v, want that it did not answer in time", err)
	}
}

func TestAnErrorAfterRowsFailsTheQuery(t *testing.T) {
	rows, err := usage(arrow.PrimitiveTypes.Float64, "1.5")("")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(string) ([]arrow.RecordBatch, error) {
		return rows, status.Error(codes.InvalidArgument, "broken file")
	})
	got, err := one(s.client(t), cpu(rules.Mean))
	if rules.CodeOf(err) != rules.Invalid {
		t.Errorf("error = %v, want invalid", err)
	}
	if len(s.asked) != 1 || len(got) > 1 {
		t.Errorf("asked %d times and saw %d rows; what was seen must not be asked again", len(s.asked), len(got))
	}
}

func TestEveryTypeIsRead(t *testing.T) {
	dictionary := func(of arrow.DataType) arrow.DataType {
		return &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: of}
	}
	for _, tt := range []struct {
		kind   arrow.DataType
		cell   string
		number float64
		text   string
	}{
		{arrow.PrimitiveTypes.Float64, "-1.5", -1.5, ""},
		{arrow.PrimitiveTypes.Int64, "-7", -7, ""},
		{arrow.PrimitiveTypes.Uint64, "18446744073709551615", math.MaxUint64, ""},
		{arrow.FixedWidthTypes.Boolean, "true", 1, ""},
		{arrow.FixedWidthTypes.Boolean, "false", 0, ""},
		{arrow.BinaryTypes.String, "on", math.NaN(), "on"},
		{arrow.BinaryTypes.LargeString, "on", math.NaN(), "on"},
		{arrow.BinaryTypes.StringView, "on", math.NaN(), "on"},
		{dictionary(arrow.BinaryTypes.String), "on", math.NaN(), "on"},
		{arrow.Null, "", math.NaN(), ""},
	} {
		t.Run(tt.kind.String(), func(t *testing.T) {
			got, err := one(serve(t, usage(tt.kind, tt.cell)).client(t), cpu(rules.Latest))
			if err != nil || len(got) != 1 {
				t.Fatalf("got %d rows, %v", len(got), err)
			}
			row := got[0]
			if text := append(row.Texts, "")[0]; text != tt.text || row.Values[0] != tt.number &&
				!(math.IsNaN(tt.number) && math.IsNaN(row.Values[0])) {
				t.Errorf("got %v and %q, want %v and %q", row.Values[0], text, tt.number, tt.text)
			}
			if row.Series != "host=a" || !row.At.Equal(noon) || !row.Last.Equal(noon.Add(-time.Second)) {
				t.Errorf("row is %s at %v with %v last", row.Series, row.At, row.Last)
			}
		})
	}
}

func TestAnUnknownTypeIsRefused(t *testing.T) {
	answer := usage(arrow.FixedWidthTypes.Date32, "2026-03-02")
	s := serve(t, func(sql string) ([]arrow.RecordBatch, error) {
		if strings.Contains(sql, "information_schema") {
			return texts([]string{"column_name", "data_type"}, []string{"host", "Dictionary(Int32, Utf8)"},
				[]string{"usage", "Date32"}), nil
		}
		return answer(sql)
	})
	_, err := one(s.client(t), cpu(rules.Latest))
	if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), "cannot be read: date32") {
		t.Errorf("error = %v, want one that names the type", err)
	}
}

func TestAnswersOver4MiBArrive(t *testing.T) {
	const count = 60_000
	cells := make([]string, count)
	for i := range cells {
		cells[i] = strings.Repeat("x", 100)
	}
	got, err := one(serve(t, usage(arrow.BinaryTypes.String, cells...)).client(t), cpu(rules.Latest))
	if err != nil || len(got) != count {
		t.Errorf("got %d rows, %v; want %d", len(got), err, count)
	}
}

func TestNoMoreStatementsAtOnceThanAllowed(t *testing.T) {
	var now, most atomic.Int32
	both := make(chan struct{})
	answer := usage(arrow.PrimitiveTypes.Float64, "1")
	s := serve(t, func(sql string) ([]arrow.RecordBatch, error) {
		n := now.Add(1)
		defer now.Add(-1)
		most.Store(max(most.Load(), n))
		if n == 2 {
			select {
			case <-both:
			default:
				close(both)
			}
		}
		<-both // the first waits for a second beside it
		return answer(sql)
	})
	c := s.client(t, func(o *influx3.Options) { o.Concurrency = 2 })
	queries := slices.Repeat([]evaluator.Query{cpu(rules.Mean)}, 20)
	seen := make([]int, len(queries))
	if err := errors.Join(c.Query(t.Context(), queries, func(i int, _ evaluator.Row) { seen[i]++ })...); err != nil {
		t.Fatal(err)
	}
	if most.Load() != 2 || slices.Min(seen) != 1 || slices.Max(seen) != 1 {
		t.Errorf("%d at once, rows %v; want 2 at once and a row for each query", most.Load(), seen)
	}
}

func TestTagValuesOfTheLastDayMustDo(t *testing.T) {
	s := serve(t, func(sql string) ([]arrow.RecordBatch, error) {
		switch {
		case strings.Contains(sql, "information_schema"):
			return texts([]string{"column_name", "data_type"}, []string{"host", "Dictionary(Int32, Utf8)"}), nil
		case strings.Contains(sql, "time > now() - INTERVAL '1 day'"):
			return texts([]string{"host"}, []string{"a"}, []string{"b"}), nil
		}
		return nil, status.Error(codes.Internal, "External error: Query would exceed file limit of 432 parquet files.")
	})
	got, err := s.client(t).TagValues(t.Context(), "cpu", "host", 10)
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("values = %q, %v; want a and b", got, err)
	}
}

func TestPing(t *testing.T) {
	header := func(version string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Influxdb-Version", version) }
	}
	for _, tt := range []struct {
		name string
		ping http.HandlerFunc
		want string
	}{
		{"the header tells", header("3.4.1"), "InfluxDB 3.4.1"},
		{"with a letter in front", header("v3.0.0-beta"), "InfluxDB 3.0.0-beta"},
		{"a name is no version", header("cloud2"), "InfluxDB 3"},
		{"the body tells", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"version":"3.2.0","revision":"x"}`)
		}, "InfluxDB 3.2.0"},
		{"it is not allowed to tell", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusUnauthorized)
		}, "InfluxDB 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, usage(arrow.PrimitiveTypes.Int64, "1"))
			s.ping = tt.ping
			if got, err := s.client(t).Ping(t.Context()); got != tt.want || err != nil {
				t.Errorf("ping = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	t.Run("older ones have no SQL", func(t *testing.T) {
		s := serve(t, usage(arrow.PrimitiveTypes.Int64, "1"))
		s.ping = header("2.7.11")
		if _, err := s.client(t).Ping(t.Context()); rules.CodeOf(err) != rules.Invalid ||
			!strings.Contains(err.Error(), "InfluxQL") {
			t.Errorf("error = %v, want invalid that tells of InfluxQL", err)
		}
	})
}

// one asks a single query and keeps its rows.
func one(c *influx3.Client, q evaluator.Query) (rows []evaluator.Row, err error) {
	errs := c.Query(context.Background(), []evaluator.Query{q}, func(_ int, r evaluator.Row) {
		r.Values, r.Texts = slices.Clone(r.Values), slices.Clone(r.Texts)
		rows = append(rows, r)
	})
	return rows, errs[0]
}

// usage answers a cpu query with one row for each cell, all of host a.
func usage(kind arrow.DataType, cells ...string) func(string) ([]arrow.RecordBatch, error) {
	return func(string) ([]arrow.RecordBatch, error) {
		b := array.NewRecordBuilder(memory.NewGoAllocator(), arrow.NewSchema([]arrow.Field{
			{Name: "host", Type: &arrow.DictionaryType{
				IndexType: arrow.PrimitiveTypes.Int32,
				ValueType: arrow.BinaryTypes.String,
			}, Nullable: true},
			{Name: "usage", Type: kind, Nullable: true},
			{Name: "last", Type: &arrow.TimestampType{Unit: arrow.Nanosecond}, Nullable: true},
		}, nil))
		for _, cell := range cells {
			if err := b.Field(0).AppendValueFromString("a"); err != nil {
				return nil, err
			}
			if kind == arrow.Null {
				b.Field(1).AppendNull()
			} else if err := b.Field(1).AppendValueFromString(cell); err != nil {
				return nil, err
			}
			b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(noon.Add(-time.Second).UnixNano()))
		}
		return []arrow.RecordBatch{b.NewRecordBatch()}, nil
	}
}

// texts answers with columns of text.
func texts(names []string, rows ...[]string) []arrow.RecordBatch {
	var fields []arrow.Field
	for _, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, row := range rows {
		for i, cell := range row {
			b.Field(i).(*array.StringBuilder).Append(cell)
		}
	}
	return []arrow.RecordBatch{b.NewRecordBatch()}
}
