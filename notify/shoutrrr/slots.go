package shoutrrr

import (
	"context"
	"sync"
)

// slots bound how many deliveries are under way to each service, so that none
// waits for another service's.
type slots struct {
	most int

	mu     sync.Mutex
	byHost map[string]chan struct{}
}

func newSlots(most int) *slots { return &slots{most: most, byHost: map[string]chan struct{}{}} }

// enter waits for a slot of a service until ctx ends; leave gives it back.
func (s *slots) enter(ctx context.Context, host string) (leave func(), ok bool) {
	s.mu.Lock()
	slot := s.byHost[host]
	if slot == nil {
		slot = make(chan struct{}, s.most)
		s.byHost[host] = slot
	}
	s.mu.Unlock()
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, true
	case <-ctx.Done():
		return nil, false
	}
}
