package app_test

import (
	"testing"

	"github.com/9bikes/tocsin/app/apptest"
)

var noon, anna = apptest.Noon, apptest.Anna

type home struct{ *apptest.Home }

func newHome(t *testing.T) *home {
	t.Helper()
	return &home{apptest.New(t, nil)}
}
