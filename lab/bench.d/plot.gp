# SPDX-License-Identifier: GPL-2.0-only
#
# gnuplot plot.gp, in the directory where report made data/. The columns are requests or
# CPUs, then median, minimum and maximum of base (2-4) and patched (5-7).

set terminal svg size 800,560 dynamic background "white" font "sans-serif,14"
set grid back lc rgb "#dddddd"
set border 3
set tics nomirror
set key inside top left Left reverse samplen 3
set datafile missing "nan"

# The base is red and hollow, patched blue and filled; the way sets the shape.
array way[3] = ["init_module", "one_file", "copies"]
array title[3] = ["init\\_module()", "finit\\_module(), one file", "finit\\_module(), copies"]
array hollow[3] = [6, 4, 8]
array filled[3] = [7, 5, 9]
base = "#c0392b"
patched = "#2060c0"

dat(w, outcome, figure) = "data/" . way[w] . "-" . outcome . "-" . figure

set xlabel "concurrent requests for a module of 8 MiB"
set logscale x 2
set xtics (1, 8, 32, 128, 512)
set xrange [0.8:640]

set logscale y 10
set format y "%g"
outcomes = "live init_fails symbol_missing"
what(outcome) = outcome eq "live" ? "the module goes live" : \
	outcome eq "init_fails" ? "init returns -ENODEV" : "a symbol is missing"
do for [outcome in outcomes] {
	do for [figure in "wall_s cpu_s"] {
		set ylabel figure eq "wall_s" ? "seconds" : "seconds of CPU time of the host"
		set title (figure eq "wall_s" ? "Time until the last request returns; " : \
			"CPU time of all requests; ") . what(outcome)
		set output "requests-" . outcome . "-" . (figure eq "wall_s" ? "wall" : "cpu") . ".svg"
		plot for [w=1:3] dat(w, outcome, figure) using 1:2:3:4 with yerrorlines \
				lc rgb base lw 1.5 dt 2 pt hollow[w] title "unpatched, " . title[w], \
			for [w=1:3] dat(w, outcome, figure) using 1:5:6:7 with yerrorlines \
				lc rgb patched lw 1.5 pt filled[w] title "patched, " . title[w]
	}
}

unset logscale y
set yrange [0:*]
# Without MODULE_STATS there are no figures, and gnuplot fails on an empty plot.
counted = int(system("grep -c ' [0-9]' data/init_module-live-wasted_mib"))
if (counted) do for [outcome in outcomes] {
	set title "Module memory allocated and thrown away; " . what(outcome)
	set ylabel "MiB"
	set output "requests-" . outcome . "-wasted.svg"
	plot for [w=1:3] dat(w, outcome, "wasted_mib") using 1:2:3:4 with yerrorlines \
			lc rgb base lw 1.5 dt 2 pt hollow[w] title "unpatched, " . title[w], \
		for [w=1:3] dat(w, outcome, "wasted_mib") using 1:5:6:7 with yerrorlines \
			lc rgb patched lw 1.5 pt filled[w] title "patched, " . title[w]
}

# The lines may be level: leave room for the key.
set offsets 0, 0, graph 0.4, 0
set title "udev coldplug"
set xlabel "CPUs"
set ylabel "seconds until udev is settled"
set xtics (1, 2, 4, 8, 16, 32, 64, 128, 255)
unset logscale x
set xrange [*:*]
stats "data/coldplug-init_module" using 1 nooutput
set logscale x 2
set xrange [STATS_min / 1.5:STATS_max * 1.5]
set output "coldplug-settle.svg"
plot "data/coldplug-init_module" using 1:2:3:4 with yerrorlines lc rgb base lw 1.5 dt 2 pt 6 \
		title "unpatched, kmod 30: init\\_module()", \
	"data/coldplug-compressed_file" using 1:2:3:4 with yerrorlines lc rgb base lw 1.5 dt 2 pt 4 \
		title "unpatched, finit\\_module() of the compressed file", \
	"data/coldplug-init_module" using 1:5:6:7 with yerrorlines lc rgb patched lw 1.5 pt 7 \
		title "patched, kmod 30: init\\_module()", \
	"data/coldplug-compressed_file" using 1:5:6:7 with yerrorlines lc rgb patched lw 1.5 pt 5 \
		title "patched, finit\\_module() of the compressed file"
