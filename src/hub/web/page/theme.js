// The theme that was chosen, before the first paint. Without one, the system decides.
try {
	const theme = localStorage.getItem('theme');
	if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch { /* no storage: the system's theme stays */ }
