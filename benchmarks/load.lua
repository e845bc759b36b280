-- Sends the requests of a file with wrk, and prints what it counted as one line of JSON.
--
-- The file's first line is the Authorization header; each other line is METHOD, PATH and BODY, with
-- tabs between. `cycle` sends them in turn until the time is over; `once` sends each exactly once
-- and ends with the last response. Use one thread (-t1).
local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int pid, int signal);")
local SIGINT, IDLE = 2, 3600 * 1000

local requests, granted, sent, answered, verified = {}, 0, 0, 0, false

function init(arguments)
    local file = assert(io.open(arguments[1]))
    local headers = { ["Authorization"] = file:read("*l"), ["Content-Type"] = "application/json" }
    for line in file:lines() do
        local method, path, body = line:match("^(%u+)\t([^\t]+)\t(.*)$")
        requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
    file:close()
    if arguments[2] == "once" then
        -- Asked before each request, and for several connections before the first of them sends.
        delay = function()
            granted = granted + 1
            return granted <= #requests and 0 or IDLE
        end
        response = function()
            answered = answered + 1
            if answered == #requests then
                -- Ends wrk's sleep, too, so that the duration is that of the requests.
                ffi.C.kill(ffi.C.getpid(), SIGINT)
                wrk.thread:stop()
            end
        end
    end
end

function request()
    if not verified then
        -- wrk's first call only looks at the request, and does not send it.
        verified = true
        return requests[1]
    end
    sent = sent + 1
    return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "refused": %d, "lost": %d}\n',
        summary.requests, summary.duration / 1e6,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout
    ))
end
