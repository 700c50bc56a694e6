// Puts every time of the page into the zone and the language of the reader.
(() => {
  const words = new Intl.DateTimeFormat(undefined, {
    dateStyle: "medium", timeStyle: "short",
  });
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.getAttribute("datetime"));
      time.title = at.toISOString();
      time.textContent = words.format(at);
    }
  };
  localise(document);
  document.addEventListener("htmx:afterSettle", () => localise(document));
})();
