-- For wrk: POSTs a body to every request, and prints what came of it as one line of JSON.
--   wrk ... -s load.lua URL -- BODY_FILE CONTENT_TYPE
function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = args[2]
  file:close()
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "mean": %.6f, "p50": %.6f, "p99": %.6f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency.mean / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
