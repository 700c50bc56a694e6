# Reads `go test -json`, prints what failed in full and each package's verdict
# on one line, and writes "passed failed skipped" to the file COUNTS.
# Subtests count as tests. Works with mawk, gawk and busybox.

# field returns the value of a key; keys come before the free text of Output.
function field(line, key,    at, rest, out, c, i) {
	at = index(line, "\"" key "\":\"")
	if (!at) return ""
	rest = substr(line, at + length(key) + 4)
	for (i = 1; i <= length(rest); i++) {
		c = substr(rest, i, 1)
		if (c == "\\") { out = out c substr(rest, ++i, 1); continue }
		if (c == "\"") break
		out = out c
	}
	return out
}

function plain(text) {
	gsub(/\\\\/, "\001", text)
	gsub(/\\n/, "\n", text); gsub(/\\t/, "\t", text); gsub(/\\r/, "", text); gsub(/\\"/, "\"", text)
	gsub(/\\u003c/, "<", text); gsub(/\\u003e/, ">", text); gsub(/\\u0026/, "\\&", text); gsub(/\\u001b/, "", text)
	gsub("\001", "\\", text)
	return text
}

# head is the line without its Output, so that no printed text is taken for a key.
function head(line,    at) {
	at = index(line, ",\"Output\":\"")
	return at ? substr(line, 1, at - 1) : line
}

!/^\{/ { print; next } # go's own complaints

{
	keys = head($0)
	action = field(keys, "Action")
	package = field(keys, "Package")
	test = field(keys, "Test")
	key = package SUBSEP test
}

action == "build-output" { printf "%s", plain(field($0, "Output")) }
action == "output" { said[key] = said[key] plain(field($0, "Output")) }
action == "run" { running[key] = package }

test != "" && (action == "pass" || action == "fail" || action == "skip") {
	delete running[key]
	count[action]++
	if (action == "fail") {
		broken[package]++
		printf "%s", said[key]
	}
	if (action == "skip") {
		why = said[key]
		sub(/^=== RUN[^\n]*\n/, "", why); sub(/--- SKIP[^\n]*\n/, "", why); gsub(/\n/, " ", why)
		skipped[++skips] = package " " plain(test) ":" why
	}
	delete said[key]
}

test == "" && action == "fail" {
	for (k in running) if (running[k] == package) { # a panic or a timeout ended it
		printf "%s", said[k]
		count["fail"]++
		broken[package]++
		delete running[k]
	}
	printf "%s", said[key]
	if (!broken[package]) count["fail"]++ # it did not build, or its TestMain gave up
	print "FAIL " package
}

test == "" && action == "pass" { print "ok   " package "  " seconds($0) }

function seconds(line,    at) {
	at = index(line, "\"Elapsed\":")
	return at ? substr(line, at + 10) + 0 "s" : ""
}

END {
	for (i = 1; i <= skips; i++) print "skip " skipped[i]
	printf "%d %d %d\n", count["pass"], count["fail"], count["skip"] > COUNTS
	exit count["fail"] > 0
}
