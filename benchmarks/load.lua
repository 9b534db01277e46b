-- Posts bodies by turns; prints what load.py reads. Arguments: Content-Type, files of bodies.
local requests, turn = {}, 0

function init(args)
   for i = 2, #args do
      local file = assert(io.open(args[i], "rb"))
      requests[i - 1] = wrk.format("POST", nil, {["Content-Type"] = args[1]}, file:read("*a"))
      file:close()
   end
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end

function done(summary, latency)
   local e = summary.errors
   print("load", summary.requests, summary.duration,
         e.connect, e.read, e.write, e.status, e.timeout)
   local pairs = {}
   for i = 1, #latency do
      local value, count = latency(i)
      pairs[i] = string.format("%d:%d", value, count)
   end
   print("latencies", table.concat(pairs, " "))
end
