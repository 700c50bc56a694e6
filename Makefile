# Thin names for packaging/test.sh, which says what each does.
.PHONY: unit check test full build

unit:
	packaging/test.sh unit

check:
	packaging/test.sh check

test:
	packaging/test.sh

full:
	packaging/test.sh --full

build:
	packaging/test.sh build
