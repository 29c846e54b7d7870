-- How Argo CD judges resources of aion.dev: by kstatus' conditions Stalled and Reconciling, and by Ready for those that
-- have it. The same text serves every kind; docs/gitops.md says where it goes.
local function condition(kind)
  for _, it in ipairs((obj.status or {}).conditions or {}) do
    if it.type == kind then return it end
  end
end

local function health(status, it, message)
  if it ~= nil then message = (it.reason or "") .. ": " .. (it.message or "") end
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", nil, "is being deleted")
end
local observed = (obj.status or {}).observedGeneration
if observed ~= nil and observed ~= obj.metadata.generation then
  return health("Progressing", nil, "the last change was not looked at yet")
end
local stalled, reconciling, ready = condition("Stalled"), condition("Reconciling"), condition("Ready")
if stalled ~= nil and stalled.status == "True" then return health("Degraded", stalled) end
if reconciling ~= nil and reconciling.status == "True" then return health("Progressing", reconciling) end
if ready ~= nil and ready.status == "True" then return health("Healthy", ready) end
if ready ~= nil and ready.reason == "ScaledToZero" then return health("Suspended", ready) end
if ready ~= nil and ready.status == "False" then return health("Degraded", ready) end
if (obj.kind == "Agent" or obj.kind == "MemoryPool" or obj.kind == "KernelNode") then
  return health("Progressing", ready, "nobody has looked at it yet")
end
return health("Healthy", nil, "there is nothing to wait for")
