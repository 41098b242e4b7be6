-- Each request is from another client, if init is told to. A request is joined from three parts, since
-- wrk.format would cost the machine more than some proxies do.
function init(args)
  io.stderr:write("begin\n")
  if args[1] ~= "random" then return end
  local header, keys = args[2], tonumber(args[3])
  math.randomseed(tonumber(args[4]))
  wrk.headers[header] = "client-%"
  local head, tail = wrk.format():match("^(.*client%-)%%(.*)$")
  local random = math.random
  function request()
    return head .. (keys + random(0, keys - 1)) .. tail -- keys is a power of ten: all have one length
  end
end

-- One line of JSON with the result of the run. Latencies are in microseconds.
function done(summary, latency, requests)
  local at = {}
  for percent in string.gmatch("QUANTILES", "[^ ]+") do
    at[#at + 1] = string.format("%d", latency:percentile(tonumber(percent)))
  end
  local e = summary.errors
  print(string.format('{"requests":%d,"micros":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"latency":[%s]}',
    summary.requests, summary.duration, e.status, e.connect, e.read, e.write, e.timeout, table.concat(at, ",")))
end
