"""The results as text."""


def lines(header, rows):
    """Columns as wide as their widest cell; the first to the left, the others to the right."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  " + "  ".join(text.ljust(width) if column == 0 else text.rjust(width)
                             for column, (text, width) in enumerate(zip(row, widths))).rstrip() for row in cells]


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def ratio(value, base):
    return "–" if not value or not base else f"{value / base:.2f}"


def egress(table):
    """One block: a row for each proxy, ratios to Envoy."""
    rows = table["rows"]

    def of(name, case, key):
        return rows.get(name, {}).get("cases", {}).get(case, {}).get(key)

    plural = "worker" if table["workers"] == 1 else "workers"
    out = [f"Egress, {table['workers']} {plural} on cores {table['proxyCores']} (ratios to Envoy = 1 in brackets)"]
    header = ["", "req/s, 64 conn.", "", "µs CPU each", "", "p50/p99 ms", "req/s, 1 conn.", "", "p50/p99 ms"]
    body = []
    for name in rows:
        def pair(case):
            p50, p99 = of(name, case, "p50us"), of(name, case, "p99us")
            return "–" if p50 is None else f"{p50 / 1000:.2f}/{p99 / 1000:.2f}"

        def bracket(case, key):
            return f"({ratio(of(name, case, key), of('envoy', case, key))})"
        body.append([name, number(of(name, "64", "perSecond")), bracket("64", "perSecond"), number(of(name, "64", "cpuUs"), 1),
                     bracket("64", "cpuUs"), pair("64"), number(of(name, "1", "perSecond")), bracket("1", "perSecond"), pair("1")])
    out += lines(header, body)
    header = ["", "p50/p99 ms at 2,000/s", "new tunnels/s", "", "µs CPU each", "KB each of idle tunnels", ""]
    body = []
    for name, row in rows.items():
        p50, p99 = of(name, "64 at 2000/s", "p50us"), of(name, "64 at 2000/s", "p99us")
        each = row.get("memory", {}).get("bytesEach")
        base = rows.get("envoy", {}).get("memory", {}).get("bytesEach")
        body.append([name, "–" if p50 is None else f"{p50 / 1000:.2f}/{p99 / 1000:.2f}", number(of(name, "new tunnels", "perSecond")),
                     f"({ratio(of(name, 'new tunnels', 'perSecond'), of('envoy', 'new tunnels', 'perSecond'))})",
                     number(of(name, "new tunnels", "cpuUs"), 0), number(each / 1024 if each else None, 1), f"({ratio(each, base)})"])
    out += ["", *lines(header, body)]
    for name, row in rows.items():
        failed = sum(case["errors"] for case in row.get("cases", {}).values())
        if failed:
            text = next(case["error"] for case in row["cases"].values() if case["errors"])
            out.append(f"  {name}: {failed} requests failed ({text})")
    return out


def start(table):
    rows = table["rows"]
    base = rows.get("crun", {}).get("endMs")
    header = ["", "first instruction ms", "end to end ms", "to crun = 1", "95th percentile ms"]
    body = [[name, "–" if name == "pcli alone" else number(row["firstMs"], 1), number(row["endMs"], 1), ratio(row["endMs"], base),
             number(row["endP95Ms"], 1)] for name, row in rows.items()]
    return ["Start to first instruction, and command to its end", *lines(header, body)]


def kill(table):
    header = ["", "median ms", "worst ms"]
    body = [[name, number(table["ms"][name], 1), number(table["worstMs"][name], 1)] for name in table["ms"]]
    return [f"Kill with {table['tunnels']} open tunnels, {table['rounds']} times", *lines(header, body)]


def streams(table):
    rows = table["rows"]
    out = ["More than small answers, one worker (ratios to Envoy = 1 in brackets)"]
    body = []
    for case, unit, factor in table["cases"]:
        base = rows.get("envoy", {}).get(case, {}).get("perSecond")
        for name, row in rows.items():
            if case in row:
                one = row[case]
                body.append([case, name, f"{number(one['perSecond'] * factor)} {unit}", f"({ratio(one['perSecond'], base)})",
                             number(one["coresUsed"], 2), f"{one['errors']} ({one['error']})" if one.get("error") else "0"])
    return out + lines(["", "", "rate", "", "cores", "errors"], body)


def scale(table):
    out = []
    for title, rows in (("Agents on the gateway", table["agents"]), ("Rules of the agent", table["rules"]), ("Tunnels to", table["names"])):
        first = next(iter(rows.values()))
        body = [[name, number(row["perSecond"]), f"({ratio(row['perSecond'], first['perSecond'])})", number(row["cpuUs"], 1),
                 f"({ratio(row['cpuUs'], first['cpuUs'])})", str(row["errors"])] for name, row in rows.items()]
        out += [title, *lines(["", "per second", "", "µs CPU each", "", "errors"], body), ""]
    return out[:-1]


def flood(table):
    rows = table["rows"]
    body = [[name, number(row["p50us"] / 1000, 2), number(row["p99us"] / 1000, 2),
             ratio(row["p99us"], rows[f"idle, {row['host']}"]["p99us"]), str(row["errors"])] for name, row in rows.items()]
    return ["The latency of one agent at 400 requests a second while another floods", *lines(["", "p50 ms", "p99 ms", "p99 to idle", "errors"], body)]


def kubernetes(table):
    alone, first, more, restart, among = (table[name] for name in ("alone", "nothingToReady", "more", "restart", "among"))
    goals, requests = table["goals"], table["requests"]
    body = [
        [f"{alone['agents']:,} agents from nothing to ready objects", f"{alone['seconds']:,.1f} s ({alone['perSecond']:,.0f} a second)",
         f"{goals['seconds']} s" if alone["agents"] == 1000 else "–"],
        ["… with the controllers of Kubernetes on the same cores", f"{first['seconds']:,.1f} s ({first['perSecond']:,.0f} a second)", "–"],
        [f"… {more['agents']:,} more", f"{more['seconds']:,.1f} s ({more['perSecond']:,.0f} a second)", "–"],
        ["requests for each agent", f"{requests['each']:.1f} ({requests['writesEach']:.1f} write)", "–"],
        ["processor time for each agent: operator, server, server with controllers",
         f"{alone['operatorCpuMsEach']:.1f}, {alone['serverCpuMsEach']:.1f}, {first['serverCpuMsEach']:.1f} ms", "–"],
    ]
    for name, title in (("change", "one change"), ("repair", "one repair")):
        body.append([f"{title} among {among['agents']:,} agents", f"{among[name]['medianMs']:,.0f} ms (worst {among[name]['worstMs']:,.0f})", "–"])
    body += [
        [f"restart with {restart['agents']:,} agents: all looked at", f"{restart['secondsToLookAtAll']:,.1f} s", "–"],
        ["… and written", f"{restart['writes']} times", f"{goals['writes']}"],
        ["… memory, now and at most", f"{restart['memoryMiB']:,.0f}, {restart['mostMemoryMiB']:,.0f} MiB", "–"],
    ]
    for count, (now, most) in table["memoryMiB"].items():
        body.append([f"memory after {int(count):,} agents were made, now and at most", f"{now:,.0f}, {most:,.0f} MiB",
                     f"{goals['mebibytes']} MiB" if int(count) == 1000 else "–"])
    return ["The operator, with an API server on the same cores", *lines(["", "measured", "goal"], body)]


def llm(table):
    rows, memory = table["rows"], table["memory"]
    out = [f"Calls of one mocked model; the gateway on cores {table['gatewayCores']}, client and model on {table['otherCores']}"]
    body = []
    for name, row in rows.items():
        bare, peer = row.get("no gateway", {}), row.get("litellm", {})
        is_stream, key = "stream" in name, "eventsPerSecond" if "streams" in name else "perSecond"
        for who, one in row.items():
            def added(figure):
                return "–" if who == "no gateway" or not one.get(figure) else f"{(one[figure] - bare[figure]) / 1000:+,.2f}"
            body.append([
                name, who, number(one[key]) + (" events/s" if "streams" in name else " calls/s"), f"({ratio(one[key], peer.get(key))})",
                f"{one['p50us'] / 1000:,.2f}/{one['p99us'] / 1000:,.2f}", f"{added('p50us')}/{added('p99us')}",
                f"{one['firstP50us'] / 1000:,.2f}" if is_stream else "–", number(one["coresUsed"], 2),
                f"{one['errors']:.0f} ({one['error'][:60]})" if one["errors"] else "0"])
    out += lines(["", "", "rate", "to LiteLLM", "p50/p99 ms", "added ms", "first event ms", "cores", "errors"], body)
    body = [[who, f"{one['open']:,}", number(one["beforeMiB"], 1), number(one["withMiB"], 1), number(one["withMiB"] - one["beforeMiB"], 1), number(one["afterMiB"], 1)]
            for who, one in memory.items()]
    return [*out, "", "Memory with open streams (of Palana the whole daemon)", *lines(["", "streams", "before MiB", "with them MiB", "more MiB", "after all cases MiB"], body)]
