process.stdout.write('exuvia stub\n');
if (!process.argv.includes('--version')) setInterval(() => undefined, 2 ** 30);
