# SPDX-License-Identifier: GPL-2.0-only
#
# awk -F";" -v end=ok -f compare.awk PATCHED BASE: the verdict of each test, and the counts.
# A line is "test;ok, not ok or skip;why". A test without a result is one that the guest did
# not reach; end says whether the patched guest reached its own.
NR == FNR { result[$1] = $2; why[$1] = $3; next }
{
	got = $1 in result ? result[$1] : "no result"
	verdict = $2 != "ok" ? "not counted" : got == "ok" ? "ok" : "not ok"
	count[verdict]++
	print verdict " - " $1 " (unpatched " $2 ", " $3 "; patched " got ", " why[$1] ")"
}
END {
	count[end]++
	print end " - the patched guest reached its end, and its kernel reported no fault"
	printf "%d passed, %d failed\n", count["ok"], count["not ok"]
	exit count["not ok"] > 0
}
