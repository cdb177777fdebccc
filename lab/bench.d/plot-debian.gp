# SPDX-License-Identifier: GPL-2.0-only
#
# gnuplot -e "release = '6.12'; kmods = '30 34'" plot-debian.gp, in the directory where report
# made data/. The columns are CPUs, then median, minimum and maximum of base (2-4) and
# patched (5-7).

set terminal svg size 800,560 dynamic background "white" font "sans-serif,14"
set grid back lc rgb "#dddddd"
set border 3
set tics nomirror
set key inside top left Left reverse samplen 3
set datafile missing "nan"
base = "#c0392b"
patched = "#2060c0"

set title "Boots of a stock Debian with kernel " . release . ": median, minimum and maximum"
set xlabel "emulated CPUs"
set ylabel "seconds from the kernel's start until udev has settled"
set xtics (8, 16, 32, 64, 128, 255)
set offsets 0, 0, graph 0.3, 0
set yrange [0:*]
stats "data/debian-kmod" . word(kmods, 1) using 1 nooutput
set logscale x 2
set xrange [STATS_min / 1.5:STATS_max * 1.5]
set output "debian-settle.svg"
# Both kernels have the same number of CPUs: move their bars apart.
plot for [i=1:words(kmods)] "data/debian-kmod" . word(kmods, i) using ($1 * 0.98):2:3:4 with \
		yerrorlines lc rgb base lw 1.5 dt 2 pt 4 + 2 * i \
		title "unpatched (Debian's kernel), kmod " . word(kmods, i), \
	for [i=1:words(kmods)] "data/debian-kmod" . word(kmods, i) using ($1 * 1.02):5:6:7 with \
		yerrorlines lc rgb patched lw 1.5 pt 5 + 2 * i \
		title "patched, kmod " . word(kmods, i)
