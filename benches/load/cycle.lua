-- Sends the requests of a file one after the other, again and again. A line is: method, path, header, value, body, with tabs
-- between them. Arguments: the file, the token, and how many milliseconds each connection waits before a request.
local requests, at = {}, 0

function init(arguments)
    local pause = tonumber(arguments[3])
    if pause > 0 then delay = function() return pause end end
    for line in io.lines(arguments[1]) do
        local method, path, header, value, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
        local headers = { ["authorization"] = "Bearer " .. arguments[2] }
        if header ~= "" then headers[header] = value end
        if body == "" then body = nil else headers["content-type"] = "application/json" end
        requests[#requests + 1] = wrk.format(method, path, headers, body)
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("FIGURES %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
