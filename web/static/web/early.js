// Says that scripts run, before the first paint: styles hide what only works without them.
document.documentElement.classList.add("js");
