# Thin names for packaging/test.sh, which says what each does.
.PHONY: check test build full

check:
	packaging/test.sh check

test:
	packaging/test.sh

full:
	packaging/test.sh --full

build:
	packaging/test.sh build
