package anomaly_test

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/anomaly"
)

// TestNAB says what the detector scores on the Numenta Anomaly Benchmark in the
// directory that TOCSIN_NAB names: windows.json, and category/file.csv with
// timestamp and value. It asks for the standard profile.
func TestNAB(t *testing.T) {
	dir := os.Getenv("TOCSIN_NAB")
	if dir == "" {
		t.Skip("TOCSIN_NAB names no directory with the benchmark")
	}
	files := readNAB(t, dir)
	byCategory := map[string][]labelled{}
	for _, f := range files {
		byCategory[f.category] = append(byCategory[f.category], f)
	}
	threshold, score := bestThreshold(files)
	t.Logf("%d files: %.2f at %.4f", len(files), score, threshold)
	raw := 0.0
	for category, own := range byCategory {
		var others []labelled
		for _, f := range files {
			if f.category != category {
				others = append(others, f)
			}
		}
		th, _ := bestThreshold(others)
		for _, f := range own {
			t.Logf("%s/%s: %.2f of %d", f.category, f.name, f.raw(threshold), len(f.windows))
			raw += f.raw(th)
		}
		_, most := bestThreshold(own)
		t.Logf("%s: %.2f; at the others' threshold %.4f %.2f; at its own %.2f", category, normal(own, rawOf(own, threshold)),
			th, normal(own, rawOf(own, th)), most)
	}
	t.Logf("each category at the threshold of the others: %.2f", normal(files, raw))
	if score < 60 {
		t.Errorf("the score is %.2f, want 60 and more", score)
	}
}

// labelled is one series, with what the detector made of it.
type labelled struct {
	category, name string
	scores         []float64
	windows        [][2]int
}

func readNAB(t *testing.T, dir string) (out []labelled) {
	t.Helper()
	var windows map[string][][2]string
	text, err := os.ReadFile(filepath.Join(dir, "windows.json"))
	if err == nil {
		err = json.Unmarshal(text, &windows)
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, labels := range windows {
		out = append(out, readSeries(t, dir, path, labels))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].category+out[i].name < out[j].category+out[j].name })
	return out
}

const stampLayout = "2006-01-02 15:04:05"

func readSeries(t *testing.T, dir, path string, labels [][2]string) labelled {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	f := labelled{category: filepath.Dir(path), name: filepath.Base(path)}
	index := map[string]int{}
	var d anomaly.Detector
	for i, row := range rows[1:] {
		stamp := strings.TrimSpace(row[0])[:len(stampLayout)]
		at, err := time.Parse(stampLayout, stamp)
		if err != nil {
			t.Fatal(err)
		}
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := index[stamp]; !ok {
			index[stamp] = i
		}
		r := d.Step(at, v, anomaly.Auto)
		f.scores = append(f.scores, r.Score)
	}
	for _, l := range labels {
		f.windows = append(f.windows, [2]int{index[l[0][:len(stampLayout)]], index[l[1][:len(stampLayout)]]})
	}
	return f
}

// sigmoid is NAB's worth of a detection by its place relative to a window.
func sigmoid(place float64) float64 {
	if place > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*place)) - 1
}

const falsePositive = 0.11

// raw is what a series adds to the sum at a threshold: the best detection of
// each window, minus one for each that has none, minus the false ones.
func (f *labelled) raw(threshold float64) (sum float64) {
	best := make([]float64, len(f.windows))
	for i := range best {
		best[i] = -1
	}
	probation := int(min(0.15*float64(len(f.scores)), 0.15*5000))
	w := 0
	for i, score := range f.scores {
		inside := w < len(f.windows) && i >= f.windows[w][0] && i <= f.windows[w][1]
		switch {
		case i < probation || score < threshold:
		case inside:
			a, b := f.windows[w][0], f.windows[w][1]
			best[w] = max(best[w], sigmoid(-float64(b-i+1)/float64(b-a+1))/sigmoid(-1))
		case w == 0:
			sum -= falsePositive
		default:
			a, b := f.windows[w-1][0], f.windows[w-1][1]
			sum += falsePositive * sigmoid(float64(i-b)/float64(b-a))
		}
		if inside && i == f.windows[w][1] {
			w++
		}
	}
	for _, b := range best {
		sum += b
	}
	return sum
}

func rawOf(files []labelled, threshold float64) (sum float64) {
	for i := range files {
		sum += files[i].raw(threshold)
	}
	return sum
}

// normal is a sum as NAB writes it: 0 for saying nothing, 100 for perfection.
func normal(files []labelled, raw float64) float64 {
	n := 0
	for _, f := range files {
		n += len(f.windows)
	}
	if n == 0 {
		return raw
	}
	return 100 * (raw + float64(n)) / (2 * float64(n))
}

// bestThreshold is the one that scores most over all files.
func bestThreshold(files []labelled) (threshold, score float64) {
	score = math.Inf(-1)
	for th := 0.2; th < 1; th += 0.002 {
		if s := normal(files, rawOf(files, th)); s > score {
			threshold, score = th, s
		}
	}
	return threshold, score
}
