package anomaly_test

import (
	"math/rand/v2"
	"testing"

	"github.com/9bikes/tocsin/evaluator/anomaly"
)

func BenchmarkStep(b *testing.B) {
	zone := berlin(b)
	rnd := rand.New(rand.NewPCG(1, 1))
	values := make([]float64, 4096)
	for i := range values {
		values[i] = rnd.NormFloat64()
	}
	var d anomaly.Detector
	at := from.In(zone)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at = at.Add(step)
		d.Step(at, values[i%len(values)], anomaly.Auto)
	}
}

func BenchmarkMarshal(b *testing.B) {
	var d anomaly.Detector
	learn(&d, 30)
	b.ReportAllocs()
	for b.Loop() {
		out, err := d.MarshalBinary()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(out)), "bytes")
	}
}
