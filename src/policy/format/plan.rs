//! Where a script may break, and what each line that it breaks into belongs to.

use super::space::{Last, is_keyword};
use crate::policy::tokens::{Token, with_comments};

/// Whether a piece begins a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    Never,
    /// Where its author wrote it so.
    AsWritten,
    /// Where the group does not fit on one line.
    With(usize),
    Always,
}

/// What a line that begins with a piece is indented by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As what stands in the brackets around it.
    Inside,
    /// More: it goes on with what the line before began.
    Over,
    /// As a clause of a rule.
    Clause,
    /// As what stands after the word that began the clause.
    OverClause,
    /// As the line of the bracket that it closes.
    Outside,
}

/// A token with its part in the layout.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    pub token: Token<'a>,
    /// How many lines lie between it and the piece before.
    pub lines: usize,
    pub at: Break,
    pub place: Place,
    /// Whether space stands before it where no line begins.
    pub space: bool,
    /// The group that begins with it.
    pub begins: Option<usize>,
}

/// A script in pieces.
#[derive(Debug)]
pub struct Plan<'a> {
    pub pieces: Vec<Piece<'a>>,
    /// For each group, a block or a rule, whether its author broke it.
    pub broken: Vec<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Block,
    Switch,
    Map,
    List,
}

/// What is known of the brackets that are open, the outermost is the file.
struct Frame {
    kind: Kind,
    group: Option<usize>,
    /// The rule that is being written.
    rule: Option<usize>,
    in_clause: bool,
    /// The group of a block after which `else` comes: the next one is laid out alike.
    chain: Option<usize>,
    /// Whether what comes next begins a statement, an arm or an item.
    fresh: bool,
    /// Whether a comment stands before it on the same line.
    led: bool,
    /// Whether the statement ends with its block.
    block_like: bool,
    after_arrow: bool,
    /// Whether the next brace is that of a `switch`.
    switch: bool,
    /// Whether the parameters of a closure are being read.
    in_pipes: bool,
    empty: bool,
}

/// Of a script.
pub fn of(source: &str) -> Plan<'_> {
    let tokens = with_comments(source);
    let mut following = vec![tokens.len(); tokens.len()];
    for at in (1..tokens.len()).rev() {
        following[at - 1] = if tokens[at].comment { following[at] } else { at };
    }
    let mut planner = Planner {
        following,
        frames: vec![Frame::new(Kind::File, None)],
        broken: Vec::new(),
        last: Last::default(),
        pieces: Vec::with_capacity(tokens.len()),
        tokens,
    };
    for at in 0..planner.tokens.len() {
        let piece = planner.piece(at);
        planner.pieces.push(piece);
    }
    Plan { pieces: planner.pieces, broken: planner.broken }
}

impl Frame {
    fn new(kind: Kind, group: Option<usize>) -> Self {
        Frame {
            kind,
            group,
            rule: None,
            in_clause: false,
            chain: None,
            fresh: true,
            led: false,
            block_like: false,
            after_arrow: false,
            switch: false,
            in_pipes: false,
            empty: true,
        }
    }

    /// Whether what begins in it begins a line.
    fn start(&self) -> Break {
        match (self.kind, self.group) {
            (Kind::File, _) => Break::Always,
            (_, Some(group)) => Break::With(group),
            (_, None) => Break::AsWritten,
        }
    }

    /// Ends a statement, an arm or an item.
    fn end(&mut self) {
        (self.fresh, self.rule, self.chain, self.switch) = (true, None, None, false);
    }
}

struct Planner<'a> {
    tokens: Vec<Token<'a>>,
    /// For each token the next one that is no comment.
    following: Vec<usize>,
    pieces: Vec<Piece<'a>>,
    frames: Vec<Frame>,
    broken: Vec<bool>,
    last: Last<'a>,
}

impl<'a> Planner<'a> {
    fn top(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            // A bracket too many closed the file: what follows begins anew.
            self.frames.push(Frame::new(Kind::File, None));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn group(&mut self) -> usize {
        self.broken.push(false);
        self.broken.len() - 1
    }

    /// The next token that is no comment.
    fn next(&self, at: usize) -> Option<Token<'a>> {
        self.tokens.get(self.following[at]).copied()
    }

    /// Its text; empty at the end.
    fn next_text(&self, at: usize) -> &'a str {
        self.next(at).map_or("", |token| token.text)
    }

    /// How many lines lie between a token and the one before.
    fn lines(&self, at: usize) -> usize {
        let before = at.checked_sub(1).map(|before| self.tokens[before]);
        before.map_or(0, |before| {
            let lines = self.tokens[at].range.start.0.saturating_sub(before.range.end.0);
            lines.max(usize::from(before.comment && before.text.starts_with("//")))
        })
    }

    fn piece(&mut self, at: usize) -> Piece<'a> {
        let (token, lines) = (self.tokens[at], self.lines(at));
        if token.closes {
            // What stands before the bracket is over: a break between them is none of its own.
            self.top().rule = None;
        }
        if lines > 0 {
            for frame in &self.frames {
                for group in [frame.group, frame.rule].into_iter().flatten() {
                    self.broken[group] = true;
                }
            }
        }
        let piece = Piece { token, lines, at: Break::AsWritten, place: Place::Over, space: true, begins: None };
        if token.comment {
            self.comment(at, piece)
        } else if token.closes {
            self.close(at, piece)
        } else {
            self.token(at, piece)
        }
    }

    fn comment(&mut self, at: usize, piece: Piece<'a>) -> Piece<'a> {
        let closes_next = self.next(at).is_none_or(|token| token.closes);
        let ends_line = at + 1 == self.tokens.len() || self.lines(at + 1) > 0;
        let frame = self.top();
        let place = match frame.rule {
            _ if frame.fresh || closes_next => Place::Inside,
            Some(_) => Place::Clause,
            None => Place::Over,
        };
        let leads = frame.fresh && !ends_line;
        let at = match (leads, piece.lines) {
            (true, 0) if !frame.led => frame.start(),
            (_, 0) => Break::Never,
            (_, _) => Break::Always,
        };
        (frame.led, frame.empty) = (leads, false);
        let space = self.last.parted_from_comment();
        self.last = Last::comment();
        Piece { at, place, space, ..piece }
    }

    fn close(&mut self, at: usize, piece: Piece<'a>) -> Piece<'a> {
        let (token, next) = (piece.token, self.next_text(at));
        self.top();
        let Some(closed) = self.frames.pop() else { return piece };
        let braces = matches!(closed.kind, Kind::Block | Kind::Switch);
        let at = match closed.group {
            Some(group) if !closed.empty => Break::With(group),
            Some(_) => Break::Never,
            None => Break::AsWritten,
        };
        let space = (braces || closed.kind == Kind::Map) && !closed.empty;
        if token.opens {
            self.top();
            self.frames.push(Frame::new(Kind::List, None));
        } else if braces {
            let frame = self.top();
            let statements = matches!(frame.kind, Kind::File | Kind::Block | Kind::Switch);
            if next == "else" {
                frame.chain = closed.group;
            } else if statements && frame.block_like && !(frame.kind == Kind::Switch && next == ",") {
                frame.end();
            }
        }
        self.last = Last::closing(token);
        Piece { at, place: Place::Outside, space, ..piece }
    }

    fn token(&mut self, at: usize, piece: Piece<'a>) -> Piece<'a> {
        let (token, next) = (piece.token, self.next_text(at));
        let text = token.text;
        let (starts, led) = (self.top().fresh, self.top().led);
        let free = starts || !self.last.operand;
        let clause = self.top().rule.is_some() && matches!(text, "when" | "also" | "then");
        let is_rule = starts && text == "rule" && next.starts_with('"');
        let keyword = clause || is_rule || (is_keyword(text) && !self.last.dot);
        let called = !free && matches!(text, "(" | "[" | "?[");
        let glued = called || matches!(text, "," | ";" | ":" | "::" | "{" | "else") || self.last.holds_on;
        let frame = self.top();
        let (place, brk) = match frame.rule {
            _ if starts => (Place::Inside, if led || text == ";" { Break::Never } else { frame.start() }),
            Some(rule) if clause => (Place::Clause, Break::With(rule)),
            Some(_) if frame.in_clause => (Place::OverClause, if glued { Break::Never } else { Break::AsWritten }),
            Some(_) => (Place::Clause, Break::Never),
            None if text == "else" => (Place::Inside, Break::Never),
            None => (Place::Over, if glued { Break::Never } else { Break::AsWritten }),
        };
        if starts || frame.after_arrow {
            frame.block_like = matches!(text, "if" | "switch" | "for" | "while" | "loop" | "do" | "fn" | "{");
        }
        (frame.fresh, frame.led, frame.empty, frame.after_arrow) = (false, false, false, text == "=>");
        frame.in_clause = clause || (frame.in_clause && !is_rule);
        frame.switch |= keyword && text == "switch";
        let pipes = text == "|" && (frame.in_pipes || free);
        frame.in_pipes ^= pipes;
        let opens_pipes = pipes && frame.in_pipes;
        let last = Last::token(token, free, keyword, opens_pipes, pipes);
        let space = self.last.parted(&last, called);
        self.last = last;
        let begins = self.begin(token, is_rule);
        Piece { at: brk, place, space, begins, ..piece }
    }

    /// Opens and ends what a token opens and ends; gives the group that begins with it.
    fn begin(&mut self, token: Token<'a>, is_rule: bool) -> Option<usize> {
        let text = token.text;
        if is_rule {
            let group = self.group();
            self.top().rule = Some(group);
            return Some(group);
        }
        let frame = self.top();
        let list = matches!(frame.kind, Kind::Switch | Kind::Map | Kind::List);
        if text == ";" || (text == "," && list && !frame.in_pipes) {
            frame.end();
        }
        if !token.opens {
            return None;
        }
        let kind = match text {
            "{" if std::mem::take(&mut frame.switch) => Kind::Switch,
            "{" => Kind::Block,
            "#{" => Kind::Map,
            _ => Kind::List,
        };
        let chain = frame.chain.take().filter(|_| text == "{");
        let group = (text == "{").then(|| chain.unwrap_or_else(|| self.group()));
        self.frames.push(Frame::new(kind, group));
        group
    }
}
