# SPDX-License-Identifier: GPL-2.0-only
#
# awk -f cover.awk bench.json...: print the table of a cover letter, from the figures of
# make bench, with two columns for each base.
BEGIN {
	FS = "\""
	print "Medians of boots in QEMU, each base without and with the series in turn. Rows of\ninit_module() and finit_module() are for a module of 8 MiB.\n"
	of("requests.init_module.live.1.wall_s", "1 init_module(), s")
	of("requests.init_module.live.128.wall_s", "128 init_module(), s")
	of("requests.init_module.live.128.wasted_mib", "  module memory wasted, MiB")
	of("requests.one_file.live.128.wall_s", "128 finit_module(), one file, s")
	of("requests.copies.live.128.wall_s", "128 finit_module(), copies, s")
	of("requests.copies.live.128.wasted_mib", "  module memory wasted, MiB")
	of("small.init_module.symbol_missing.1.wall_s", "1 load that fails, 4 KiB, s")
	of("small.init_module.symbol_missing.128.wall_s", "128 such init_module(), s")
	of("storm.init_module.8940.cpu_s", "447 for each of 20 modules, CPU s")
	of("room.enomem", "128 for 108 MiB: ENOMEM to")
	of("room.other_enomem", "  loads of others, ENOMEM to")
	of("coldplug.init_module.16.settle_s", "udev coldplug, 16 CPUs, s")
	of("coldplug.init_module.64.settle_s", "udev coldplug, 64 CPUs, s")
	of("coldplug.init_module.128.settle_s", "udev coldplug, 128 CPUs, s")
	of("coldplug.init_module.128.wasted_mib", "  module memory wasted, MiB")
	of("instructions.bench_tiny.both", "load, unload 4 KiB, instructions")
}
function of(key, title) { keys[++n] = key; titles[key] = title }
function median(kernel) {
	if (!match($0, "\"" kernel "\": \\{\"median\": [0-9.e+-]*"))
		return "-"
	text = substr($0, RSTART, RLENGTH)
	sub(/.* /, "", text)
	text += 0
	return text >= 100 || text == int(text) ? sprintf("%.0f", text) : \
		sprintf("%.2f", text)
}
function cells(left, right) { return sprintf(" %6s %6s", left, right) }
FNR == 1 {
	base = FILENAME
	sub(/\/bench.json$/, "", base)
	sub(/.*\//, "", base)
	bases[++m] = base
}
$2 in titles {
	any[$2]
	seen[$2, m] = cells(median("base"), median("patched"))
}
END {
	line = sprintf("%-33s", "")
	for (j = 1; j <= m; j++)
		line = line sprintf(" %13s", bases[j])
	print line
	line = sprintf("%-33s", "")
	for (j = 1; j <= m; j++)
		line = line cells("before", "after")
	print line
	for (i = 1; i <= n; i++) {
		if (!(keys[i] in any))
			continue
		line = sprintf("%-33s", titles[keys[i]])
		for (j = 1; j <= m; j++)
			line = line ((keys[i], j) in seen ? seen[keys[i], j] : cells("-", "-"))
		print line
	}
}
