package influx3_test

import (
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/9bikes/tocsin/evaluator/influx3"
	"github.com/9bikes/tocsin/rules"
)

const (
	database = "home"
	token    = "apiv3_canary-7f3a"
)

// server speaks as InfluxDB 3 does: Flight and HTTP on one plaintext port. What
// a statement is answered with is up to the test.
type server struct {
	flight.BaseFlightServer
	answer func(sql string) ([]arrow.RecordBatch, error)
	packed bool // record batches are compressed
	ping   http.HandlerFunc
	url    string

	mu     sync.Mutex
	asked  []string
	tokens []string
}

func serve(t testing.TB, answer func(sql string) ([]arrow.RecordBatch, error)) *server {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", answer)
}

func serveAt(t testing.TB, address string, answer func(sql string) ([]arrow.RecordBatch, error)) *server {
	t.Helper()
	s := &server{answer: answer, ping: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Influxdb-Version", "3.4.1")
	}}
	flights := grpc.NewServer()
	flight.RegisterFlightServiceServer(flights, s)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	front := &http.Server{
		Protocols: new(http.Protocols),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor == 2 {
				flights.ServeHTTP(w, r)
				return
			}
			s.ping(w, r)
		}),
	}
	front.Protocols.SetHTTP1(true)
	front.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(listener) }()
	t.Cleanup(func() {
		if err := front.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return s
}

// DoGet answers the SQL of a ticket.
func (s *server) DoGet(ticket *flight.Ticket, stream flight.FlightService_DoGetServer) error {
	var asked struct {
		Database string `json:"database"`
		SQL      string `json:"sql_query"`
		Type     string `json:"query_type"`
	}
	if err := json.Unmarshal(ticket.Ticket, &asked); err != nil || asked.Type != "sql" || asked.Database != database {
		panic("unexpected ticket " + string(ticket.Ticket))
	}
	md, _ := metadata.FromIncomingContext(stream.Context())
	s.mu.Lock()
	s.asked = append(s.asked, asked.SQL)
	s.tokens = append(s.tokens, md.Get("authorization")...)
	s.mu.Unlock()
	batches, err := s.answer(asked.SQL)
	if len(batches) > 0 {
		options := []ipc.Option{
			ipc.WithSchema(batches[0].Schema()), ipc.WithDictionaryDeltas(false),
			ipc.WithAllocator(memory.NewGoAllocator()),
		}
		if s.packed {
			options = append(options, ipc.WithZstd())
		}
		w := flight.NewRecordWriter(stream, options...)
		defer w.Close()
		for _, b := range batches {
			if err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return err
}

// client returns a Client of the server.
func (s *server) client(t testing.TB, change ...func(*influx3.Options)) *influx3.Client {
	t.Helper()
	o := influx3.Options{URL: s.url, Database: database, Token: rules.NewSecret(token)}
	for _, f := range change {
		f(&o)
	}
	c, err := influx3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
