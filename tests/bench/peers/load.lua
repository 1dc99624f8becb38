-- wrk: each request's target is the next line of the file in TARGETS; each thread starts elsewhere in it. Lines may carry
-- a client's address after a blank, which goes into X-Forwarded-For.
local targets, clients, at = {}, {}, 0
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  for line in io.lines(os.getenv("TARGETS")) do
    local target, client = line:match("^(%S+) ?(%S*)$")
    local headers = "Host: " .. os.getenv("HOST") .. "\r\n"
    if client ~= "" then headers = headers .. "X-Forwarded-For: " .. client .. "\r\n" end
    targets[#targets + 1] = "GET " .. target .. " HTTP/1.1\r\n" .. headers .. (os.getenv("FIELDS") or "") .. "\r\n"
  end
  at = math.floor(#targets * number / 4)
end

function request()
  at = at % #targets + 1
  return targets[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"p99_9_us":%d,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
