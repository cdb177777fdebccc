# SPDX-License-Identifier: GPL-2.0-only
#
# Turns known_failures into the tests that the unpatched 6.1 fails: before 6.5, requests for
# one file get what requests for copies of it get.
/\\\.file\(\\\|	\)/d
/^\(live[a-z_]*\|(exec|exit)_waiters_killed\)\\\.mixed\(\\\.64\)\?	[^l]*\(0 or EEXIST\|512\)$/d
/^read_\(error_other_args\|killed_not_shared\)\\/d
s/(init|copy\([|)]\)/(init|copy|file\1/
$a\
init_error_other_flags\\.file\\..*	inits: 1\
init_error_same_file\\..*	others: EBUSY\
read_error_shared\\..*	others: ENXIO
