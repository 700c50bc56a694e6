package local

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
)

// dataHeader is the data directory that a request is meant for. Without it
// any daemon is right.
const dataHeader = "Tocsin-Data"

// Greeting is what a daemon says of itself before anybody asks it for anything,
// or trusts it with a credential.
type Greeting struct {
	Version string `json:"version"`
	User    string `json:"user"` // who the caller is, or Unknown
	PID     int    `json:"pid"`
	// Starting says that no session answers yet.
	Starting bool `json:"starting,omitempty"`
	// Apart says why its database is not the one in the data directory, and that
	// nobody else may work on that; "" when all is well.
	Apart string `json:"apart,omitempty"`
}

// Server answers at the socket of a daemon for as long as that runs, through
// the sessions that it has meanwhile.
type Server struct {
	dataDir, version string
	apart            atomic.Pointer[string]
	session          atomic.Pointer[http.Handler]
	mux              http.ServeMux
}

// NewServer returns the server of a daemon of a version that works on a data
// directory; models answers what is asked at /mcp.
func NewServer(dataDir, version string, models http.Handler) *Server {
	s := &Server{dataDir: dataDir, version: version}
	s.mux.HandleFunc("GET "+Path, s.greet)
	s.mux.Handle("/mcp", models)
	s.mux.HandleFunc("/", s.ask)
	return s
}

// SetSession lets h answer from now on.
func (s *Server) SetSession(h http.Handler) { s.session.Store(&h) }

// SetApart says why the database is not the one in the data directory, "" when
// it is.
func (s *Server) SetApart(why string) { s.apart.Store(&why) }

// ServeHTTP answers what is meant for the data directory, and refuses what is
// meant for another. The address of a request is the name of the user at the
// other end.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wanted := r.Header.Get(dataHeader); wanted != "" && !sameDirectory(wanted, s.dataDir) {
		http.Error(w, fmt.Sprintf("this daemon works on %s, not on %s", s.dataDir, wanted), http.StatusMisdirectedRequest)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) greet(w http.ResponseWriter, r *http.Request) {
	said := Greeting{Version: s.version, User: r.RemoteAddr, PID: os.Getpid(), Starting: s.session.Load() == nil}
	if apart := s.apart.Load(); apart != nil {
		said.Apart = *apart
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said) // who asked is gone
}

// ask lets the present session answer.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) {
	h := s.session.Load()
	if h == nil {
		http.Error(w, "tocsin is starting", http.StatusServiceUnavailable)
		return
	}
	(*h).ServeHTTP(w, r)
}

func sameDirectory(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return filepath.Clean(a) == filepath.Clean(b) || err == nil && err2 == nil && os.SameFile(one, other)
}
