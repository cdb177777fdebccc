# SPDX-License-Identifier: GPL-2.0-only
#
# gnuplot plot.gp, in the directory where report has left data/; columns are
# requests or CPUs, then median, least and most of base (2-4), patched (5-7).

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

set xlabel "requests at once for a module of 8 MiB"
set logscale x 2
set xtics (1, 8, 32, 128, 512)
set xrange [0.8:640]

set logscale y 10
set format y "%g"
do for [outcome in "live refused"] {
	what = outcome eq "live" ? "the module goes live" : "its init refuses"
	do for [figure in "wall_s cpu_s"] {
		set ylabel figure eq "wall_s" ? "seconds until all are answered" : \
			"seconds of CPU time, as the host counts"
		set title "Until " . "the last answer; " . what
		if (figure eq "cpu_s") { set title "CPU time of all requests; " . what }
		set output "requests-" . outcome . "-" . (figure eq "wall_s" ? "wall" : "cpu") . ".svg"
		plot for [w=1:3] dat(w, outcome, figure) using 1:2:3:4 with yerrorlines \
				lc rgb base lw 1.5 dt 2 pt hollow[w] title "unpatched, " . title[w], \
			for [w=1:3] dat(w, outcome, figure) using 1:5:6:7 with yerrorlines \
				lc rgb patched lw 1.5 pt filled[w] title "patched, " . title[w]
	}
}

unset logscale y
set yrange [0:*]
# Not without MODULE_STATS: gnuplot ends at a plot of nothing.
counted = int(system("grep -c ' [0-9]' data/init_module-live-vain_mib"))
if (counted) do for [outcome in "live refused"] {
	what = outcome eq "live" ? "the module goes live" : "its init refuses"
	set title "Memory filled and thrown away; " . what
	set ylabel "MiB, image and layout"
	set output "requests-" . outcome . "-vain.svg"
	plot for [w=1:3] dat(w, outcome, "vain_mib") using 1:2:3:4 with yerrorlines \
			lc rgb base lw 1.5 dt 2 pt hollow[w] title "unpatched, " . title[w], \
		for [w=1:3] dat(w, outcome, "vain_mib") using 1:5:6:7 with yerrorlines \
			lc rgb patched lw 1.5 pt filled[w] title "patched, " . title[w]
}

# Room for the key above what may be level lines.
set offsets 0, 0, graph 0.4, 0
set title "udev coldplug"
set xlabel "CPUs"
set ylabel "seconds until udev has settled"
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
