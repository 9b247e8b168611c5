// The card opens to be printed, and can be printed again.

document.getElementById("print").addEventListener("click", () => window.print());
window.addEventListener("load", () => window.print());
