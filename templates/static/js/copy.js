// A button copies what stands in the field that it names.

for (const button of document.querySelectorAll("[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  const copied = document.getElementById("copied");
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    field.focus();
    let isCopied = true;
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      isCopied = document.execCommand("copy"); // without TLS there is no clipboard
    }
    copied.textContent = isCopied ? copied.dataset.words : "";
  });
}
