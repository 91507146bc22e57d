// Light, dark, or as the machine says.
import { useState } from 'preact/hooks';

const themes = ['auto', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];
const KEY = 'parapet-theme';

export function savedTheme(): Theme {
  try {
    const saved = localStorage.getItem(KEY);
    return themes.find((t) => t === saved) ?? 'auto';
  } catch {
    return 'auto';
  }
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

export function ThemeChoice() {
  const [theme, setTheme] = useState(savedTheme);
  return (
    <label class="theme">
      <span>Theme</span>
      <select
        value={theme}
        onChange={(e) => {
          const chosen = themes.find((t) => t === e.currentTarget.value) ?? 'auto';
          applyTheme(chosen);
          setTheme(chosen);
        }}
      >
        <option value="auto">as the system</option>
        <option value="light">light</option>
        <option value="dark">dark</option>
      </select>
    </label>
  );
}
