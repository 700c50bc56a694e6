package anomaly_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/9bikes/tocsin/evaluator/anomaly"
)

// learn gives a detector some days of a daily sine with noise.
func learn(d *anomaly.Detector, days int) time.Time {
	rnd, sine := rand.New(rand.NewPCG(1, 1)), sineWithNoise()
	at := from
	for ; at.Before(from.Add(time.Duration(days) * day)); at = at.Add(step) {
		d.Step(at, sine(rnd, at), anomaly.Auto)
	}
	return at
}

func TestADetectorFitsIntoFourKilobytes(t *testing.T) {
	if n := unsafe.Sizeof(anomaly.Detector{}); n > 4096 {
		t.Errorf("a detector takes %d bytes", n)
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	var d anomaly.Detector
	at := learn(&d, 5)
	if n := testing.AllocsPerRun(1000, func() { at = at.Add(step); d.Step(at, 20, anomaly.Auto) }); n != 0 {
		t.Errorf("a step allocates %v times", n)
	}
}

// An answer to a point is not changed by what is no point.
func TestWhatIsNoPointIsIgnored(t *testing.T) {
	var with, without anomaly.Detector
	at := learn(&with, 5)
	learn(&without, 5)
	with.Step(at, math.NaN(), anomaly.Auto)
	with.Step(at, math.Inf(1), anomaly.Auto)
	with.Step(at.Add(-step), 1e9, anomaly.Auto)
	if with != without {
		t.Error("it left a trace")
	}
	if r := with.Step(at, 1e9, anomaly.Auto); r.Score < 0.5 || !r.Up || r.Cause == anomaly.Usual {
		t.Errorf("a huge value is %+v", r)
	}
}

func TestAStateIsWrittenAndReadAgain(t *testing.T) {
	var d, again anomaly.Detector
	at := learn(&d, 30)
	text, err := d.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 4096 {
		t.Errorf("it takes %d bytes", len(text))
	}
	if err := again.UnmarshalBinary(text); err != nil {
		t.Fatal(err)
	}
	if again != d {
		t.Error("it reads as another")
	}
	for range 500 {
		at = at.Add(step)
		if a, b := d.Step(at, 20, anomaly.Auto), again.Step(at, 20, anomaly.Auto); a != b {
			t.Fatalf("it goes on with %+v, not %+v", b, a)
		}
	}
	for _, bad := range [][]byte{nil, {2}, {1}, text[:len(text)/2], append([]byte{9}, text[1:]...)} {
		if err := again.UnmarshalBinary(bad); err == nil {
			t.Errorf("%d bytes that are no state are taken", len(bad))
		}
	}
}

func TestTheExpectedRangeFollowsTheTimeOfDay(t *testing.T) {
	var d anomaly.Detector
	at := learn(&d, 10)
	for _, tt := range []struct {
		hour   int
		usual  float64
		cause  anomaly.Cause
		season anomaly.Season
	}{{6, 25, anomaly.TimeOfDay, anomaly.Auto}, {18, 15, anomaly.TimeOfDay, anomaly.Daily}} {
		copied := d
		r := copied.Step(at.Add(time.Duration(tt.hour)*time.Hour), 20, tt.season)
		if r.Low > tt.usual || r.High < tt.usual || r.High-r.Low > 2 || r.Basis != tt.cause {
			t.Errorf("at %d:00 it expects %v to %v because of %v", tt.hour, r.Low, r.High, r.Basis)
		}
	}
	r := d.Step(at.Add(6*time.Hour), 20, anomaly.None)
	if r.Low > 16 || r.High < 24 {
		t.Errorf("without a season it expects %v to %v", r.Low, r.High)
	}
}

// FuzzStep: whatever comes, a score is from 0 to 1 and a range is a range.
func FuzzStep(f *testing.F) {
	f.Add(uint64(1), 1.0, 1e-300)
	f.Add(uint64(2), 1e308, -1e308)
	f.Add(uint64(3), 0.0, 5e-324)
	f.Fuzz(func(t *testing.T, seed uint64, a, b float64) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var d anomaly.Detector
		at := from
		for range 2000 {
			at = at.Add(time.Duration(rnd.Int64N(int64(time.Hour))))
			v := a * rnd.NormFloat64()
			if rnd.IntN(10) == 0 {
				v = b
			}
			r := d.Step(at, v, anomaly.Season(rnd.IntN(4)))
			if !(r.Score >= 0 && r.Score <= 1) || r.Low > r.High {
				t.Fatalf("%v gives %+v", v, r)
			}
		}
	})
}
