package app

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// sourcePatience is how long a source may take to say how it is.
const sourcePatience = 3 * time.Second

// AskedStatus is Status in which, where the daemon does not tell, the sources
// answer for themselves: how they fared at the last ticks it alone knows.
func (a *App) AskedStatus(ctx context.Context) Status {
	s := a.Status(ctx)
	if s.Engine != nil {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, sourcePatience)
	defer cancel()
	var wait sync.WaitGroup
	for i := range s.Sources {
		wait.Go(func() {
			if list, err := a.CheckSources(ctx, s.Sources[i].Name); err == nil {
				s.Sources[i] = list[0]
			}
		})
	}
	wait.Wait()
	for _, v := range s.Sources {
		if !v.OK {
			s.Problems = append(s.Problems, fmt.Sprintf("source %s: %s", v.Name, v.Error))
		}
	}
	if s.Status == "ok" && len(s.Problems) > 0 {
		s.Status = "degraded"
	}
	return s
}
