package storetest

import (
	"reflect"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var channelTests = []clause{
	{"every field of a channel survives", func(t *testing.T, open func() app.Store) {
		s := open()
		var want app.StoredChannel
		fill(&want)
		want.Sealed = []byte{0, 255, 1, 'x'}
		put(t, s.PutChannel(t.Context(), want))
		got, err := open().Channels(t.Context())
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("Channels returned %+v, %v; want %+v", got, err, want)
		}
	}},
	{"channels are listed by name and their names are taken once", testChannels},
}

func channel(name string) app.StoredChannel {
	return app.StoredChannel{
		ID: "id-" + name, Name: name, Kind: "ntfy", Sealed: []byte("sealed"), By: ann,
		CreatedAt: noon,
	}
}

func testChannels(t *testing.T, open func() app.Store) {
	s := open()
	for _, name := range []string{"phone", "mail"} {
		put(t, s.PutChannel(t.Context(), channel(name)))
	}
	clash := channel("mail")
	clash.ID = "id-other"
	wantCode(t, s.PutChannel(t.Context(), clash), rules.Conflict)
	changed := channel("phone")
	changed.Sealed, changed.Settings = []byte("anew"), notify.Settings{Fallback: "mail", Rate: "10/m"}
	put(t, s.PutChannel(t.Context(), changed))
	list, err := s.Channels(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "mail" || string(list[1].Sealed) != "anew" ||
		!reflect.DeepEqual(list[1].Settings, changed.Settings) {
		t.Fatalf("Channels returned %+v, %v", list, err)
	}
	put(t, s.DeleteChannel(t.Context(), "mail"))
	wantCode(t, s.DeleteChannel(t.Context(), "mail"), rules.NotFound)
	if list, err := s.Channels(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("Channels returned %+v, %v", list, err)
	}
}
