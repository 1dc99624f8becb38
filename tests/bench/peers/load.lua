-- wrk: each request's target is the next line of the file in TARGETS; each thread starts elsewhere in it. Lines may carry
-- a client's address after a blank, which goes into X-Forwarded-For. FIELDS: more header lines. PAUSE_MS: between an
-- answer and the next request. LOCATIONS: each answer has to be a redirect; one of a thousand is told in the end.
local targets, at = {}, 0
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
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

local pause = tonumber(os.getenv("PAUSE_MS"))
if pause then
  function delay() return pause end
end

wrong, first_wrong, locations = 0, "", {}
if os.getenv("LOCATIONS") then
  local answers = 0
  function response(status, headers, body)
    local location = headers.Location or headers.location
    if status ~= 302 or not location then
      if wrong == 0 then first_wrong = status .. " " .. body end
      wrong = wrong + 1
      return
    end
    answers = answers + 1
    if answers % 1000 == 0 then locations[#locations + 1] = '"' .. location .. '"' end
  end
end

function done(summary, latency)
  local errors, wrongs, why, sample = summary.errors, 0, "", {}
  for _, thread in ipairs(threads) do
    wrongs, why = wrongs + thread:get("wrong"), thread:get("first_wrong")
    for _, location in ipairs(thread:get("locations")) do sample[#sample + 1] = location end
  end
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  if lost > 0 then
    why = why .. string.format(" connect %d, read %d, write %d, timeout %d", errors.connect, errors.read, errors.write, errors.timeout)
  end
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"p99_9_us":%d,"failed":%d,"why":%s,"locations":[%s]}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    lost + math.max(errors.status, wrongs), string.format("%q", why):gsub("\\\n", " "), table.concat(sample, ",")))
end
