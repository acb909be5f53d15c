//! A plan on paper.

use super::{
    WIDTH,
    plan::{Break, Piece, Place, Plan},
};

const STEP: usize = 4;
/// `when` and the space after it; `also` and `then` are as long.
const CLAUSE: usize = 5;

/// The script. A group that its author kept on one line, and that makes it too long, is broken, the outermost
/// first.
pub fn print(plan: &Plan) -> String {
    let mut broken = plan.broken.clone();
    loop {
        let mut page = Page::new(&broken);
        plan.pieces.iter().for_each(|piece| page.add(piece));
        page.end_line();
        if page.too_long.is_empty() {
            return if page.text.is_empty() { page.text } else { page.text + "\n" };
        }
        for group in std::mem::take(&mut page.too_long) {
            broken[group] = true;
        }
    }
}

/// What stands in brackets that are open.
struct Frame {
    inside: usize,
    outside: usize,
    /// Whether its first item stands on the line of its bracket; not known before there is one.
    hangs: Option<bool>,
    braces: bool,
}

struct Page<'a> {
    broken: &'a [bool],
    text: String,
    frames: Vec<Frame>,
    indent: usize,
    column: usize,
    /// How wide the line is without a comment at its end.
    width: usize,
    /// The groups that began on this line and are on one line, each with how deep it lies.
    begun: Vec<(usize, usize)>,
    too_long: Vec<usize>,
    after_line_comment: bool,
    after_bracket: bool,
}

impl<'a> Page<'a> {
    fn new(broken: &'a [bool]) -> Self {
        let file = Frame { inside: 0, outside: 0, hangs: Some(false), braces: true };
        Page {
            broken,
            text: String::new(),
            frames: vec![file],
            indent: 0,
            column: 0,
            width: 0,
            begun: Vec::new(),
            too_long: Vec::new(),
            after_line_comment: false,
            after_bracket: false,
        }
    }

    fn add(&mut self, piece: &Piece) {
        let token = piece.token;
        let breaks = match piece.at {
            Break::Never => false,
            Break::AsWritten => piece.lines > 0,
            Break::With(group) => self.broken[group],
            Break::Always => true,
        };
        let breaks = !self.text.is_empty() && (breaks || self.after_line_comment);
        if let Some(frame) = self.frames.last_mut() {
            frame.hangs.get_or_insert(!breaks && !frame.braces);
        }
        if breaks {
            let blank = piece.lines > 1 && !self.after_bracket && !token.closes;
            self.begin_line(blank, piece.place);
        } else if piece.space && !self.text.is_empty() {
            self.write(" ");
        }
        let text =
            if token.comment { plain(token.text) } else { moved(token.text, token.range.start.1, self.column + 1) };
        self.write(&text);
        if !token.comment {
            self.width = self.width.max(self.column);
        }
        // A rule lies above the blocks in it, which are in the same brackets.
        let depth = 2 * self.frames.len() + usize::from(token.opens);
        self.begun.extend(piece.begins.filter(|group| !self.broken[*group]).map(|group| (depth, group)));
        self.after_line_comment = token.comment && token.text.starts_with("//");
        self.after_bracket = token.opens;
        if token.closes && self.frames.len() > 1 {
            self.frames.pop();
        }
        if token.opens {
            let (inside, outside) = (self.indent + STEP, self.indent);
            self.frames.push(Frame { inside, outside, hangs: None, braces: token.text == "{" });
        }
    }

    fn begin_line(&mut self, blank: bool, place: Place) {
        self.end_line();
        self.text.push_str(if blank { "\n\n" } else { "\n" });
        let frame = self.frames.last();
        let (inside, outside) = frame.map_or((0, 0), |frame| (frame.inside, frame.outside));
        let hangs = frame.is_some_and(|frame| frame.hangs == Some(true));
        self.indent = match place {
            Place::Inside => inside,
            Place::Over if hangs => inside,
            Place::Over | Place::Clause => inside + STEP,
            Place::OverClause => inside + STEP + CLAUSE,
            Place::Outside => outside,
        };
        self.column = 0;
        self.write(&" ".repeat(self.indent));
    }

    fn end_line(&mut self) {
        if self.width > WIDTH {
            let outermost = self.begun.iter().map(|(depth, _)| *depth).min();
            self.too_long
                .extend(self.begun.iter().filter(|(depth, _)| Some(*depth) == outermost).map(|(_, group)| *group));
        }
        self.begun.clear();
        self.width = 0;
    }

    fn write(&mut self, text: &str) {
        self.text.push_str(text);
        match text.rsplit_once('\n') {
            None => self.column += text.chars().count(),
            Some((before, last)) => {
                let first = before.split('\n').next().unwrap_or_default();
                self.width = self.width.max(self.column + first.chars().count());
                self.column = last.chars().count();
            }
        }
    }
}

/// A comment without space at the ends of its lines.
fn plain(comment: &str) -> String {
    comment.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A text that goes on in the next line (`"…\`) when it moves from one column to another: the space before its lines is left
/// out up to the column of its quote, and must be left out as before.
fn moved(text: &str, from: usize, to: usize) -> String {
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    if !text.starts_with('"') || from == to {
        return text.to_owned();
    }
    lines.fold(first.to_owned(), |moved, line| {
        let rest = line.trim_start();
        let more = line[..line.len() - rest.len()].chars().count().saturating_sub(from);
        format!("{moved}\n{}{rest}", " ".repeat(to + more))
    })
}
