-- Requests from a file (method, path, body; tabs between), `{n}` made unique; the result as one line of JSON (times in milliseconds).
local lines, headers, unique, at, count = {}, {}, false, 0, 0

function init(args)
  for line in io.lines(args[1]) do lines[#lines + 1] = line end
  count = tonumber(args[2]) * 10000000
  for n = 3, #args do
    local name, value = args[n]:match("^([^:]+): (.*)$")
    headers[name] = value
    unique = unique or value:find("{n}", 1, true) ~= nil
  end
  headers["Content-Type"] = "application/json"
end

local made = {}

function request()
  at = at % #lines + 1
  if made[at] then return made[at] end
  count = count + 1
  local method, path, body = lines[at]:match("^([^\t]+)\t([^\t]+)\t?(.*)$")
  local own = headers
  if method ~= "GET" and unique then
    own = {}
    for name, value in pairs(headers) do own[name] = value:gsub("{n}", count) end
  end
  if method ~= "GET" then
    return wrk.format(method, (path:gsub("{n}", count)), own, (body:gsub("{n}", count)))
  end
  made[at] = wrk.format(method, path, own)
  return made[at]
end

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "errors": %d, "p50": %f, "p99": %f}\n', summary.requests,
    summary.duration / 1000000, failed, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
