import { render } from 'preact';
import { App } from './app.tsx';
import { Live } from './live.ts';
import { applyTheme, savedTheme } from './theme.tsx';

applyTheme(savedTheme());
const root = document.getElementById('page')!;
const live = new Live((state) => render(<App live={live} state={state} />, root));
render(<App live={live} state={live.state} />, root);
void live.start();
