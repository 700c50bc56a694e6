package live_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// flux is what InfluxDB 2 answers and its pages export.
const flux = `#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string
#group,false,false,true,true,false,false,true,true,true
#default,_result,,,,,,,,
,result,table,_start,_stop,_time,_value,_field,_measurement,host
,,0,2026-11-20T09:00:00Z,2026-11-20T11:00:00Z,2026-11-20T10:00:00Z,20,v,m,h1
,,0,2026-11-20T09:00:00Z,2026-11-20T11:00:00Z,2026-11-20T10:01:00Z,21.5,v,m,h1
,,1,2026-11-20T09:00:00Z,2026-11-20T11:00:00Z,2026-11-20T10:01:00Z,36,v,m,007

#datatype,string,long,dateTime:RFC3339,boolean,string,string
#group,false,false,false,false,true,true
#default,_result,,,,,
,result,table,_time,_value,_field,_measurement
,,2,2026-11-20T10:01:00Z,true,open,door
`

// export is what influx_inspect writes.
const export = `# INFLUXDB EXPORT: 1677-09-21T00:12:43Z - 2262-04-11T23:47:16Z
# DDL
CREATE DATABASE home WITH NAME autogen
CREATE DATABASE _internal WITH NAME monitor
# DML
# CONTEXT-DATABASE:_internal
# CONTEXT-RETENTION-POLICY:monitor
# writing tsm data
write pointReq=7 1763632800000000000
# CONTEXT-DATABASE:home
# CONTEXT-RETENTION-POLICY:autogen
# writing tsm data
m,host=h1 v=20 1763632800000000000
m,host=h1 v=21.5 1763632860000000000
# writing wal data
m,host=007 v=36 1763632860000000000
`

// history is what the pages of Home Assistant export.
const history = `entity_id,state,last_changed
sensor.kitchen,20,2026-11-20T10:00:00.000Z
sensor.kitchen,unavailable,2026-11-20T10:00:30.000Z
sensor.kitchen,21.5,2026-11-20T10:01:00.000Z
binary_sensor.door,on,2026-11-20T10:01:00.000Z
sensor.mode,heating,2026-11-20T10:01:00.000Z
`

// TestWhatPeopleHaveIsRead: three values of the field v, two of them of h1.
func TestWhatPeopleHaveIsRead(t *testing.T) {
	const plain = "time,host,v\n2026-11-20T10:00:00Z,h1,20\n2026-11-20T10:01:00Z,h1,21.5\n2026-11-20T10:01:00Z,007,36\n"
	comma := strings.NewReplacer(",", ";", "21.5", "21,5").Replace(plain)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(plain)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	pivoted := ",result,table,_time,host,v,w\n,_result,0,2026-11-20T10:00:00Z,h1,20,\n" +
		",_result,0,2026-11-20T10:01:00Z,h1,21.5,1\n,_result,1,2026-11-20T10:01:00Z,007,36,\n"
	for name, text := range map[string]string{
		"a CSV":                      plain,
		"a CSV of Windows":           "\ufeff" + strings.ReplaceAll(plain, "\n", "\r\n"),
		"compressed":                 packed.String(),
		"semicolons":                 strings.ReplaceAll(plain, ",", ";"),
		"tabs":                       strings.ReplaceAll(plain, ",", "\t"),
		"decimal commas":             comma,
		"decimal commas in quotes":   strings.Replace(plain, "21.5", `"21,5"`, 1),
		"what a table program wrote": "sep=;\r\n" + comma,
		"comments, blank lines":      "# exported\n\n" + strings.Replace(plain, "\n", "\n\n# rows\n", 1),
		"spaces":                     strings.ReplaceAll(plain, ",", " , "),
		"short and long rows":        strings.Replace(strings.Replace(plain, "v\n", "v,w\n", 1), "20\n", "20,1,,,\n", 1),
		"a column of some dashes":    strings.Replace(plain, "\n", "\n2026-11-20T10:00:30Z,h1,-\n2026-11-20T10:00:31Z,h1,N/A\n", 1),
		"another name for the time":  strings.Replace(plain, "time", "Last_Changed", 1),
		"zones":                      strings.ReplaceAll(plain, "T10:00:00Z", "T11:00:00+01:00"),
		"annotated":                  flux,
		"annotated of Windows":       strings.ReplaceAll(flux, "\n", "\r\n"),
		"annotated, without":         dropLines(flux, "#"),
		"annotated, pivoted":         pivoted,
		"an export":                  export,
		"a column of rooms 1 to 3": "time,host,room,v\n2026-11-20T10:00:00Z,h1,1,20\n2026-11-20T10:01:00Z,h1,2,21.5\n" +
			"2026-11-20T10:01:00Z,007,3,36\n",
	} {
		t.Run(name, func(t *testing.T) {
			d, err := live.ReadData(strings.NewReader(text),
				evaluator.DataForm{Measurement: "m", Fields: []string{"v"}, Tags: []string{"host", "room"}})
			if err != nil {
				t.Fatal(err)
			}
			day := d.Rows[0].At.Add(-time.Hour)
			got := map[string]float64{}
			q := evaluator.Query{
				Measurement: "m", Columns: []evaluator.Column{{Field: "v", Aggregation: "sum"}}, GroupBy: []string{"host"},
				From: day, To: day.Add(2 * time.Hour),
			}
			if err := evaluator.Ask(t.Context(), d.Source, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
				got[row.Series.Label("host")] = row.Values[0]
			}); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != "map[007:36 h1:41.5]" || len(d.Ticks()) != 2 {
				t.Errorf("got %v at %v", got, d.Ticks())
			}
		})
	}
}

func dropLines(text, prefix string) (out string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, prefix) {
			out += line
		}
	}
	return out
}

// TestStatesAreReadAsHomeAssistantWritesThem into an InfluxDB.
func TestStatesAreReadAsHomeAssistantWritesThem(t *testing.T) {
	d, err := live.ReadData(strings.NewReader(history), evaluator.DataForm{Measurement: "°C"})
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	got := map[string]string{}
	q := evaluator.Query{
		Measurement: "°C",
		Columns:     []evaluator.Column{{Field: "value", Aggregation: "sum"}, {Field: "state", Aggregation: "latest"}},
		GroupBy:     []string{"domain", "entity_id"}, From: from, To: from.Add(2 * time.Hour),
	}
	if err := evaluator.Ask(t.Context(), d.Source, []evaluator.Query{q}, func(_ int, row evaluator.Row) {
		got[row.Series.Label("domain")+"."+row.Series.Label("entity_id")] = fmt.Sprint(row.Values[0])
	}); err != nil {
		t.Fatal(err)
	}
	if want := "map[binary_sensor.door:1 sensor.kitchen:41.5 sensor.mode:NaN]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestWhatCannotBeReadIsNamedWithItsLine(t *testing.T) {
	wide := binary.LittleEndian.AppendUint16(nil, 0xfeff)
	for _, c := range utf16.Encode([]rune("time,v\n2026-11-20T10:00:00Z,1\n")) {
		wide = binary.LittleEndian.AppendUint16(wide, c)
	}
	for text, want := range map[string]string{
		"time,v\n2026-11-20T10:00:00Z,1\n\n# later\n2026-11-20T10:01:00Z,x\n": "line 5: the column v holds numbers, and here something else",
		"time;v\n2026-11-20T10:00:00Z;1,5\n2026-11-20T10:01:00Z;1.5\n":        "line 2: the column v has a decimal comma here, and a point in line 3",
		"time,v\n2026-11-20T10:00:00Z,1,5\n":                                  "line 2: has 3 cells, and the header 2; put a value with a comma in quotes",
		"time,v\n2026-11-20T10:00:00Z,\"1\n":                                  "line 2: ",
		"time,v\n20.11.2026 10:00,1\n":                                        "line 2: \"20.11.2026 10:00\" is no time",
		"time,v\n":                                                            "no rows below its header",
		"sep=;\na;b\n1;2\n":                                                   "the header has no column of times; call it timestamp or time",
		string(wide):                                                          "is written in UTF-16; save it as UTF-8",
		"time,v\n2026-11-20T10:00:00Z,\x00\n":                                 "line 2: holds a NUL byte",
		"m v=1 1763632800\nm v=\n":                                            "line 2 is neither line protocol",
		"\x1f\x8bnot whole":                                                   "the file is not whole",
		"entity_id,state,last_changed\nkitchen,1,2026-11-20T10:00:00Z\n":      `line 2: "kitchen" is no entity`,
		"#datatype,string,long\n,error,reference\n,failed,897\n":              "line 2: the file is the error of a query that failed",
		"#datatype,string,long,double\n,result,table,_value\n,,0,1\n":         "line 2: the table has no column _time",
		strings.Replace(flux, "21.5", "warm", 1):                              `line 6: v is "warm", and the file says that it is double`,
		strings.Replace(flux, "T10:01:00Z,21.5", "T10:61:00Z,21.5", 1):        `line 6: "2026-11-20T10:61:00Z" is no time`,
		strings.Replace(export, "_internal\n", "garage\n", 1): "line 10: the file holds the databases garage and home; " +
			"export one of them, with influx_inspect export -database garage",
		strings.Replace(export, "# writing wal", "# CONTEXT-RETENTION-POLICY:year\n#", 1): "policies autogen and year",
	} {
		_, err := live.ReadData(strings.NewReader(text), evaluator.DataForm{Measurement: "m", Fields: []string{"v"}})
		if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want invalid and %q", text, err, want)
		}
	}
}
