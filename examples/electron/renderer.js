// The page: plain JavaScript that knows only what the preload script gives it.
const byId = (id) => document.getElementById(id);

byId("query").addEventListener("change", async () => {
  const passages = byId("passages").value.split("\n").filter(Boolean);
  const found = await window.models.search(byId("query").value, passages);
  const items = found.map(({ text, score }) => {
    const item = document.createElement("li");
    item.textContent = `${score.toFixed(2)}  ${text}`;
    return item;
  });
  byId("results").replaceChildren(...items);
});

byId("write").addEventListener("click", async () => {
  const output = byId("text");
  output.textContent = byId("prompt").value;
  const { written, stop } = window.models.write(byId("prompt").value, (text) => output.append(text));
  byId("stop").addEventListener("click", stop, { once: true });
  byId("stop").disabled = false;
  byId("write").disabled = true;
  try {
    await written;
  } catch (error) {
    output.append(`\n${error.message}`);
  } finally {
    byId("stop").removeEventListener("click", stop);
    byId("stop").disabled = true;
    byId("write").disabled = false;
  }
});
