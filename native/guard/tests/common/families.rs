//! Sources that are hard on whoever reads them, of any length.

/// A family: its name, and a source of about so many bytes.
pub type Family = (&'static str, fn(usize) -> String);

/// Brackets within brackets that Python still takes.
const DEEP: usize = 190;
/// Links of a chain that Python still takes.
const LONG: usize = 900;

/// Every family.
pub fn families() -> Vec<Family> {
    [TOKENS, CHAINS, TEXTS, NAMES, FOLDING, STATEMENTS, FINDINGS].concat()
}

const TOKENS: &[Family] = &[
    ("one name", |n| "a".repeat(n)),
    ("names", |n| "a\n".repeat(n / 2)),
    ("semicolons", |n| "a;".repeat(n / 2)),
    ("blank lines", |n| "\n".repeat(n)),
    ("blanks", |n| " ".repeat(n)),
    ("form feeds", |n| "\x0c".repeat(n)),
    ("comments", |n| "# a\n".repeat(n / 4)),
    ("continuations", |n| "\\\n".repeat(n / 2)),
    ("open brackets", |n| "(".repeat(n)),
    ("open brackets of each kind", |n| "([{".repeat(n / 3)),
    ("closed brackets", |n| ")".repeat(n)),
    ("underscores", |n| "_".repeat(n)),
    ("dots", |n| ".".repeat(n)),
    ("stars", |n| "*".repeat(n)),
    ("quotes", |n| "'".repeat(n)),
    ("open f-strings", |n| "f'{".repeat(n / 3)),
    ("open texts", |n| "'''\n".repeat(n / 4)),
    ("look-alikes", |n| "ﬃﬃﬃ.ﬃ = ſ\n".repeat(n / 24)),
    ("wide letters", |n| "𝓮".repeat(n / 4)),
    ("keywords", |n| "lambda ".repeat(n / 7)),
    ("huge integer", |n| "7".repeat(n)),
    ("huge hexadecimal integer", |n| format!("0x{}", "f".repeat(n))),
    ("integers", |n| format!("[{}]", "9999999999999999999999, ".repeat(n / 24))),
    ("floats", |n| format!("[{}]", "1e999, ".repeat(n / 7))),
    ("list", |n| format!("[{}]", "0,".repeat(n / 2))),
    ("dictionary", |n| format!("{{{}}}", "a: b,".repeat(n / 5))),
    ("arguments", |n| format!("f({})", "a,".repeat(n / 2))),
];

const CHAINS: &[Family] = &[
    ("attributes", |n| format!("a{}", ".b".repeat(n / 2))),
    ("calls", |n| format!("a{}", "()".repeat(n / 2))),
    ("subscripts", |n| format!("a{}", "[0]".repeat(n / 3))),
    ("method calls", |n| format!("a{}", ".b()".repeat(n / 4))),
    ("additions", |n| format!("a{}", "+a".repeat(n / 2))),
    ("powers", |n| format!("a{}", "**a".repeat(n / 3))),
    ("signs", |n| format!("{}a", "-".repeat(n))),
    ("negations", |n| format!("{}a", "not ".repeat(n / 4))),
    ("comparisons", |n| format!("a{}", "<a".repeat(n / 2))),
    ("conjunctions", |n| format!("a{}", " and a".repeat(n / 6))),
    ("conjunctions and disjunctions", |n| format!("a{}", " and a or a".repeat(n / 11))),
    ("conditions", |n| format!("a{}", " if a else a".repeat(n / 12))),
    ("lambdas", |n| format!("{}a", "lambda:".repeat(n / 7))),
    ("targets", |n| format!("{}a", "a=".repeat(n / 2))),
    ("walruses", |n| format!("{}a{}", "(a:=".repeat(n / 5), ")".repeat(n / 5))),
    ("awaits", |n| format!("async def f():\n  {}a", "await ".repeat(n / 6))),
    ("chains at the limit", |n| lines(n, &format!("a{}\n", ".b".repeat(LONG)))),
    ("additions at the limit", |n| lines(n, &format!("a{}\n", "+a".repeat(LONG)))),
    ("brackets at the limit", |n| lines(n, &format!("{}a{}\n", "(".repeat(DEEP), ")".repeat(DEEP)))),
    ("lists at the limit", |n| lines(n, &format!("{}a{}\n", "[".repeat(DEEP), "]".repeat(DEEP)))),
    ("calls at the limit", |n| lines(n, &format!("{}a{}\n", "f(".repeat(DEEP), ")".repeat(DEEP)))),
    ("comprehensions at the limit", |n| lines(n, &format!("{}a{}\n", "[".repeat(DEEP), " for a in a]".repeat(DEEP)))),
    ("clauses", |n| format!("[a{}]", " for a in a".repeat(n / 11))),
];

const TEXTS: &[Family] = &[
    ("huge text", |n| format!("'{}'", "a".repeat(n))),
    ("huge text of escapes", |n| format!("'{}'", r"\x41".repeat(n / 4))),
    ("huge text of names", |n| format!("'{}'", r"\N{BULLET}".repeat(n / 10))),
    ("huge text that is code", |n| format!("'{}'", "os.system(eval(".repeat(n / 15))),
    ("huge bytes", |n| format!("b'{}'", "a".repeat(n))),
    ("huge documentation", |n| format!("'''{}'''", "a\n".repeat(n / 2))),
    ("texts side by side", |n| format!("({})", "'a' ".repeat(n / 4))),
    ("f-strings", |n| "f'{a}'\n".repeat(n / 7)),
    ("f-strings side by side", |n| format!("({})", "f'{a}' ".repeat(n / 7))),
    ("huge f-string", |n| format!("f'{}'", "{a}".repeat(n / 3))),
    ("specifications", |n| format!("f'{}'", "{a:{b}}".repeat(n / 7))),
    ("f-strings within", |n| lines(n, "f\"{f'{a}'}\"\n")),
    ("f-strings within, at the limit", |n| {
        lines(n, &format!("{}a{}\n", "f'{".repeat(DEEP / 2), "}'".repeat(DEEP / 2)))
    }),
    ("format paths", |n| format!("'{{0{}}}'.format(a)", ".a".repeat(n / 2))),
    ("format fields", |n| format!("'{}'.format(a)", "{0.a}".repeat(n / 5))),
];

const NAMES: &[Family] = &[
    ("aliases", |n| numbered(n, |i| format!("a{} = a{i}\n", i + 1))),
    ("aliases backwards", |n| numbered(n, |i| format!("a{i} = a{}\n", i + 1)) + "a0()\n"),
    ("aliases of what is refused", |n| {
        "import os\na0 = os.system\n".to_owned() + &numbered(n, |i| format!("a{} = a{i}\n", i + 1))
    }),
    ("aliases backwards, in functions", |n| numbered(n, |i| format!("def f{i}():\n return f{}()\n", i + 1)) + "f0()\n"),
    ("aliases in a ring", |n| "a = b\nb = c\nc = a\na()\n".repeat(n / 22)),
    ("one name, many values", |n| numbered(n, |i| format!("a = b{i}\n")) + "a()\n"),
    ("one name, many values, many calls", |n| numbered(n, |i| format!("a = b{i}\na()\n"))),
    ("many names of many values", |n| numbered(n, |i| format!("a{} = b{}\na{}()\n", i % 50, i, i % 50))),
    ("conditional values", |n| numbered(n, |i| format!("a{} = a{i} if b else c{i}\n", i + 1))),
    ("two values each, of calls of each other", |n| {
        numbered(n, |i| format!("a{} = a{i}.f(a{i})\na{} = a{i}(1)\n", i + 1, i + 1))
    }),
    ("one name, called with itself", |n| {
        "def f(*a, **k): return a, k\no = b\n".to_owned()
            + &numbered(n, |i| format!("f = o.g({i})\nc(f(a), f)\nc(o.d(f, {i}), f)\n"))
    }),
    ("names within themselves", |n| "a = [a, a]\n".repeat(n / 11)),
    ("attributes of oneself", |n| numbered(n, |i| format!("self.a{} = self.a{i}\n", i + 1))),
    ("imports", |n| numbered(n, |i| format!("import a{i}\n"))),
    ("imported names", |n| format!("from a import {}b", numbered(n, |i| format!("a{i}, ")))),
    ("star imports", |n| "from os import *\n".repeat(n / 17)),
    ("dotted import", |n| format!("import a{}", ".a".repeat(n / 2))),
    ("functions", |n| numbered(n, |i| format!("def f{i}(a=f{}): return a\n", i / 2))),
    ("functions called with each other", |n| {
        numbered(n, |i| format!("def f{i}(g): return g(f{})\nf{i}(f{})\n", i / 2, i / 3))
    }),
    ("one function, many arguments", |n| "def f(g): return g()\n".to_owned() + &numbered(n, |i| format!("f(a{i})\n"))),
    ("classes", |n| numbered(n, |i| format!("class A{}(A{i}): a = A{i}\n", i + 1))),
    ("scopes within", |n| lines(n, &stairs("def f():", 90, "nonlocal_name = name"))),
    ("classes within", |n| lines(n, &stairs("class A:", 90, "name = name"))),
    ("lambdas of lambdas", |n| lines(n, &format!("{}a{}\n", "(lambda a: ".repeat(90), ")(a)".repeat(90)))),
    ("parameters", |n| format!("def f({}): pass", numbered(n, |i| format!("a{i}, ")))),
    ("global names", |n| format!("def f():\n global {}a", numbered(n, |i| format!("a{i}, ")))),
    ("unpacking", |n| format!("{}= a", numbered(n, |i| format!("a{i}, ")))),
    ("subscripts of a table", |n| numbered(n, |i| format!("a['b{i}'] = a['b{}']\n", i / 2))),
];

const FOLDING: &[Family] = &[
    ("doubling", |n| "a = 'a'\n".to_owned() + &"a = a + a\n".repeat(n / 10) + "getattr(os, a)\n"),
    ("doubling by names", |n| {
        "a0 = 'a'\n".to_owned() + &numbered(n, |i| format!("a{} = a{i} + a{i}\ngetattr(os, a{i})\n", i + 1))
    }),
    ("doubling f-strings", |n| {
        "a0 = 'a'\n".to_owned() + &numbered(n, |i| format!("a{} = f'{{a{i}}}{{a{i}}}'\ngetattr(os, a{i})\n", i + 1))
    }),
    ("doubling lists", |n| {
        "a0 = ['a']\n".to_owned() + &numbered(n, |i| format!("a{} = a{i} + a{i}\ngetattr(os, ''.join(a{i}))\n", i + 1))
    }),
    ("factors", |n| "getattr(os, 'a' * 10**9)\n".repeat(n / 25)),
    ("factors of factors", |n| "getattr(os, ('a' * 9999) * 9999 * 9999)\n".repeat(n / 40)),
    ("powers of powers", |n| "getattr(os, chr(9**9**9**9))\n".repeat(n / 29)),
    ("shifts", |n| "getattr(os, chr(1 << 10**9))\n".repeat(n / 30)),
    ("widths", |n| "getattr(os, '%999999999d' % 1)\n".repeat(n / 31)),
    ("widths of format", |n| "getattr(os, '{:999999999}'.format(1))\n".repeat(n / 38)),
    ("widths of f-strings", |n| "getattr(os, f'{1:999999999}')\n".repeat(n / 31)),
    ("replacing", |n| format!("getattr(os, 'a'{})\n", ".replace('a', 'aa')".repeat(n / 19))),
    ("replacing, many", |n| lines(n, &format!("getattr(os, 'a'{})\n", ".replace('a', 'aaaaaaaa')".repeat(30)))),
    ("joining", |n| format!("getattr(os, ''.join([{}]))\n", "'a', ".repeat(n / 5))),
    ("adding letters", |n| format!("getattr(os, 'a'{})\n", " + 'a'".repeat(n / 6))),
    ("slices of a huge text", |n| format!("a = '{}'\n", "a".repeat(n / 2)) + &"getattr(os, a[::-1])\n".repeat(n / 42)),
    ("copies of a huge text", |n| {
        format!("a = '{}'\n", "a".repeat(n / 2)) + &"getattr(os, a.lower().upper() + a)\n".repeat(n / 70)
    }),
    ("a huge text by many names", |n| {
        format!("a0 = '{}'\n", "a".repeat(n / 2))
            + &numbered(n / 2, |i| format!("a{} = a{i}\ngetattr(os, a{i})\n", i + 1))
    }),
    ("tables of letters", |n| {
        format!("a = [{}]\n", "'a', ".repeat(n / 10)) + &"getattr(os, a[0] + a[-1])\n".repeat(n / 52)
    }),
    ("ranges", |n| "getattr(os, ''.join(chr(i) for i in range(10**12)))\n".repeat(n / 53)),
    ("decoding", |n| format!("getattr(os, bytes.fromhex('{}').decode())\n", "41".repeat(n / 2))),
    ("decoding base 64", |n| format!("import base64\ngetattr(os, base64.b64decode('{}'))\n", "QUFB".repeat(n / 4))),
];

const STATEMENTS: &[Family] = &[
    ("elif", |n| "if a: pass\n".to_owned() + &"elif a: pass\n".repeat(n / 13)),
    ("except", |n| "try: pass\n".to_owned() + &"except a: pass\n".repeat(n / 15)),
    ("cases", |n| "match a:\n".to_owned() + &" case A(b=c): pass\n".repeat(n / 19)),
    ("alternatives", |n| format!("match a:\n case 0{}: pass\n", "|0".repeat(n / 2))),
    ("patterns within", |n| lines(n, &format!("match a:\n case {}b{}: pass\n", "A(b=".repeat(90), ")".repeat(90)))),
    ("sequences of patterns", |n| format!("match a:\n case [{}]: pass\n", "_,".repeat(n / 2))),
    ("decorators", |n| "@a\n".repeat(n / 3) + "def f(): pass\n"),
    ("contexts", |n| format!("with {}a: pass\n", "a, ".repeat(n / 3))),
    ("assertions", |n| "assert a, a\n".repeat(n / 12)),
    ("stairs of ifs", |n| lines(n, &stairs("if a:", 95, "a()"))),
    ("stairs of tries", |n| lines(n, &(stairs("try:", 50, "a()") + &stairs_down("finally: pass", 50)))),
    ("stairs that never end", |n| {
        let depth = (n * 2).isqrt();
        (0..depth).fold(String::new(), |text, level| text + &" ".repeat(level) + "if a:\n")
    }),
    ("types", |n| "a: b[c] = d\n".repeat(n / 12)),
    ("unions", |n| format!("a: b{} = c\n", "|b".repeat(n / 2))),
    ("type parameters", |n| format!("def f[{}](): pass\n", numbered(n, |i| format!("T{i}, ")))),
];

const FINDINGS: &[Family] = &[
    ("findings", |n| "eval(a)\n".repeat(n / 8)),
    ("findings on one line", |n| "eval(a);".repeat(n / 8)),
    ("findings among wide letters", |n| "𝓮val(a);'𝓮𝓮𝓮𝓮';".repeat(n / 32)),
    ("findings within each other", |n| lines(n, &format!("{}a{}\n", "eval(".repeat(DEEP), ")".repeat(DEEP)))),
    ("operators", |n| "bpy.ops.wm.quit_blender()\n".repeat(n / 26)),
    ("operators by name", |n| "getattr(bpy.ops.wm, 'quit' + '_blender')()\n".repeat(n / 43)),
    ("almost findings", |n| "evaluate(a).evaluated_get(b)\n".repeat(n / 29)),
    ("modules of modules", |n| "import os.path\nos.path.os.path.os.system\n".repeat(n / 41)),
    ("handlers", |n| "bpy.app.handlers.load_post.append(a)\n".repeat(n / 37)),
];

/// As many of these lines as fit.
fn lines(bytes: usize, unit: &str) -> String {
    unit.repeat((bytes / unit.len()).max(1))
}

/// Numbered parts, as many as fit.
fn numbered(bytes: usize, part: fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        let next = part(number);
        if text.len() + next.len() > bytes {
            break;
        }
        text += &next;
    }
    text
}

/// Blocks within blocks.
fn stairs(head: &str, depth: usize, body: &str) -> String {
    let heads = (0..depth).map(|level| " ".repeat(level) + head + "\n");
    heads.collect::<String>() + &" ".repeat(depth) + body + "\n"
}

/// What ends blocks within blocks, the innermost first.
fn stairs_down(end: &str, depth: usize) -> String {
    (0..depth).rev().map(|level| " ".repeat(level) + end + "\n").collect()
}
