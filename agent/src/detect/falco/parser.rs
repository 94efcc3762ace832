//! Recursive-descent parser of Falco's condition grammar.
//!
//! ```text
//! Expr  := And ('or' And)*        And := Not ('and' Not)*
//! Not   := 'not'* Check | 'not(' Expr ')'
//! Check := '(' Expr ')' | Operand Condition | MacroName
//! ```

use super::ast::{
    Check, Expr, FieldRef, ListOperator, Modifier, Operand, Operator, Order, Right, TextOperator,
    Transformer, Word,
};
use super::lexer::{Lexer, SyntaxError};

/// How deep brackets, negations and transformers may nest.
const DEPTH: usize = 100;

type Parsed<T> = Result<T, SyntaxError>;

/// Parses a whole condition.
pub(crate) fn parse(text: &str) -> Parsed<Expr> {
    let mut parser = Parser {
        lexer: Lexer::new(text, 0),
        depth: 0,
    };
    parser.lexer.blank();
    if parser.lexer.is_at_end() {
        return Err(parser.lexer.error("the condition is empty"));
    }
    let expression = parser.or()?;
    if parser.lexer.is_at_end() {
        return Ok(expression);
    }
    let found = parser.lexer.found();
    let mut error = unexpected(&parser.lexer, "'and' or 'or'");
    if found == "')'" {
        error.reason = "a ')' that nothing opened".to_owned();
    }
    Err(error)
}

/// An error at what stands where something else should; the usual slips get a hint.
fn unexpected(lexer: &Lexer<'_>, expected: &str) -> SyntaxError {
    let found = lexer.found();
    let hint = match found.as_bytes() {
        [b'\'', b'&' | b'|', ..] => Some("write 'and' and 'or' as words"),
        [b'\'', b'=' | b',', ..] => Some("put a value with '=' or ',' in it in quotes"),
        _ => None,
    };
    SyntaxError {
        hint: hint.map(str::to_owned),
        ..lexer.error(format!("expected {expected}, found {found}"))
    }
}

/// Parses the field or transformer that begins at `at`, as an output template holds it. Gives the
/// operand and where it ends.
pub(crate) fn parse_operand(text: &str, at: usize) -> Parsed<(Operand, usize)> {
    let mut parser = Parser {
        lexer: Lexer::new(text, at),
        depth: 0,
    };
    let operand = match parser.field_or_transformer()? {
        Some(operand) => operand,
        None => return Err(parser.lexer.error("expected a field name after '%'")),
    };
    Ok((operand, parser.lexer.at().0))
}

/// The text is `val(field)` or a transformer without blanks: as the value of an exception it stands
/// for what it gives. With blanks it is a text, as in Falco.
pub(crate) fn is_transformer(text: &str) -> bool {
    let mut parser = Parser {
        lexer: Lexer::new(text, 0),
        depth: 0,
    };
    !text.contains(char::is_whitespace)
        && matches!(parser.right_operand(), Ok(Some(_)))
        && parser.lexer.is_at_end()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH {
            return Err(SyntaxError {
                hint: Some("split the condition into macros".to_owned()),
                ..self
                    .lexer
                    .error(format!("nested more than {DEPTH} levels deep"))
            });
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn or(&mut self) -> Parsed<Expr> {
        self.chain("or", Self::and, Expr::Or)
    }

    fn and(&mut self) -> Parsed<Expr> {
        self.chain("and", Self::not, Expr::And)
    }

    /// Operands joined by a word; a bracket may follow the word without a blank.
    fn chain(
        &mut self,
        word: &str,
        operand: fn(&mut Self) -> Parsed<Expr>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Parsed<Expr> {
        let first = operand(self)?;
        self.lexer.blank();
        let mut operands = vec![first];
        while self.lexer.keyword(word) {
            let blank = self.lexer.blank();
            operands.push(if blank {
                operand(self)?
            } else if self.lexer.symbol("(") {
                self.bracket()?
            } else {
                return Err(self
                    .lexer
                    .error(format!("expected a blank or '(' after '{word}'")));
            });
            self.lexer.blank();
        }
        match operands.len() {
            1 => Ok(operands.remove(0)),
            _ => Ok(join(operands)),
        }
    }

    fn not(&mut self) -> Parsed<Expr> {
        self.lexer.blank();
        let mut negated = false;
        while self.lexer.keyword_blank("not") {
            self.lexer.blank();
            negated = !negated;
        }
        let child = if self.lexer.symbol("not(") {
            negated = !negated;
            self.bracket()?
        } else {
            self.check()?
        };
        Ok(if negated {
            Expr::Not(Box::new(child))
        } else {
            child
        })
    }

    /// The rest of a bracket that has been opened.
    fn bracket(&mut self) -> Parsed<Expr> {
        let opened = self.lexer.at();
        self.nested(|parser| {
            parser.lexer.blank();
            let child = parser.or()?;
            parser.lexer.blank();
            if parser.lexer.symbol(")") {
                return Ok(child);
            }
            if parser.lexer.is_at_end() {
                return Err(SyntaxError {
                    at: opened.0 - 1,
                    reason: "a '(' that is never closed".to_owned(),
                    hint: None,
                });
            }
            Err(unexpected(&parser.lexer, "')', 'and' or 'or'"))
        })
    }

    fn check(&mut self) -> Parsed<Expr> {
        self.lexer.blank();
        if self.lexer.symbol("(") {
            return self.bracket();
        }
        if let Some(left) = self.field_or_transformer()? {
            return self.condition(left).map(Expr::Check);
        }
        match self.lexer.identifier() {
            Some(name) => Ok(Expr::Macro(name)),
            None => {
                let found = self.lexer.found();
                let expected = "expected a field, a macro, 'not' or '('";
                Err(self.lexer.error(format!("{expected}, found {found}")))
            }
        }
    }

    fn field_or_transformer(&mut self) -> Parsed<Option<Operand>> {
        if let Some(name) = self.lexer.field_name() {
            return self.field(name).map(|field| Some(Operand::Field(field)));
        }
        let at = self.lexer.at();
        match self.lexer.transformer() {
            Some(transformer) => self.transform(transformer, at).map(Some),
            None => Ok(None),
        }
    }

    fn field(&mut self, name: Word) -> Parsed<FieldRef> {
        Ok(FieldRef {
            name: name.text,
            argument: self.brackets()?,
            at: name.at,
        })
    }

    /// What stands in square brackets, if they open here.
    fn brackets(&mut self) -> Parsed<Option<String>> {
        if !self.lexer.symbol("[") {
            return Ok(None);
        }
        let argument = match self.lexer.quoted()? {
            Some(argument) => argument,
            None => self
                .lexer
                .bare_argument()
                .ok_or_else(|| self.lexer.error("expected what the brackets should hold"))?,
        };
        if !self.lexer.symbol("]") {
            return Err(self.lexer.error("expected ']'"));
        }
        Ok(Some(argument.text))
    }

    /// Arguments of a transformer whose bracket has been opened.
    fn transform(&mut self, transformer: Transformer, at: super::ast::At) -> Parsed<Operand> {
        let arguments = self.nested(|parser| parser.arguments(true))?;
        let selector = match transformer {
            Transformer::GetOpt => self.brackets()?,
            _ => None,
        };
        Ok(Operand::Transform {
            transformer,
            arguments,
            selector,
            at,
        })
    }

    /// Comma-separated arguments and the closing bracket. A list may stand among the arguments of
    /// a transformer, not inside another list.
    fn arguments(&mut self, lists: bool) -> Parsed<Vec<Operand>> {
        let mut arguments = Vec::new();
        self.lexer.blank();
        if !lists && self.lexer.symbol(")") {
            return Ok(arguments);
        }
        loop {
            self.lexer.blank();
            arguments.push(self.argument(lists)?);
            self.lexer.blank();
            if !self.lexer.symbol(",") {
                break;
            }
        }
        if self.lexer.symbol(")") {
            return Ok(arguments);
        }
        let found = self.lexer.found();
        Err(self
            .lexer
            .error(format!("expected ',' or ')', found {found}")))
    }

    fn argument(&mut self, lists: bool) -> Parsed<Operand> {
        if let Some(number) = self.lexer.number() {
            return Ok(Operand::Literal(number));
        }
        if let Some(text) = self.lexer.quoted()? {
            return Ok(Operand::Literal(text));
        }
        if lists && self.lexer.symbol("(") {
            return self.arguments(false).map(Operand::List);
        }
        match self.field_or_transformer()? {
            Some(operand) => Ok(operand),
            None => {
                let found = self.lexer.found();
                let expected = "expected a field, a transformer, a quoted string or a number";
                Err(self.lexer.error(format!("{expected}, found {found}")))
            }
        }
    }

    fn condition(&mut self, left: Operand) -> Parsed<Check> {
        self.lexer.blank();
        let operator = self.operator()?;
        let right = match operator {
            Operator::Exists => None,
            Operator::Order(_) => Some(self.number_value()?),
            Operator::Text(_, None) => Some(self.text_value()?),
            Operator::Text(_, Some(_)) | Operator::List(_) => Some(self.list_value()?),
        };
        Ok(Check {
            left,
            operator,
            right,
        })
    }

    fn operator(&mut self) -> Parsed<Operator> {
        if self.lexer.keyword("exists") {
            return Ok(Operator::Exists);
        }
        for (symbol, order) in [
            ("<=", Order::LessOrEqual),
            ("<", Order::Less),
            (">=", Order::GreaterOrEqual),
            (">", Order::Greater),
        ] {
            if self.lexer.symbol(symbol) {
                return Ok(Operator::Order(order));
            }
        }
        for list in [
            ListOperator::Intersects,
            ListOperator::In,
            ListOperator::Pmatch,
        ] {
            if self.lexer.keyword(list.name()) {
                return Ok(Operator::List(list));
            }
        }
        if let Some(text) = self.text_operator() {
            self.lexer.blank();
            let modifier = [Modifier::One, Modifier::Any, Modifier::All]
                .into_iter()
                .find(|modifier| self.lexer.keyword_before_list(modifier.name()));
            return Ok(Operator::Text(text, modifier));
        }
        let found = self.lexer.found();
        Err(SyntaxError {
            hint: Some(
                "one of = != < <= > >= exists in intersects pmatch contains icontains bcontains \
                 startswith bstartswith endswith glob iglob regex"
                    .to_owned(),
            ),
            ..self
                .lexer
                .error(format!("expected an operator, found {found}"))
        })
    }

    fn text_operator(&mut self) -> Option<TextOperator> {
        for (symbol, operator) in [
            ("==", TextOperator::Equal),
            ("=", TextOperator::Equal),
            ("!=", TextOperator::NotEqual),
        ] {
            if self.lexer.symbol(symbol) {
                return Some(operator);
            }
        }
        [
            TextOperator::Contains,
            TextOperator::IContains,
            TextOperator::BContains,
            TextOperator::StartsWith,
            TextOperator::BStartsWith,
            TextOperator::EndsWith,
            TextOperator::Glob,
            TextOperator::IGlob,
            TextOperator::Regex,
        ]
        .into_iter()
        .find(|operator| self.lexer.keyword_blank(operator.name()))
    }

    fn number_value(&mut self) -> Parsed<Right> {
        self.lexer.blank();
        if let Some(operand) = self.right_operand()? {
            return Ok(Right::Operand(operand));
        }
        match self.lexer.number() {
            Some(number) => Ok(Right::Value(number)),
            None => {
                let found = self.lexer.found();
                Err(self
                    .lexer
                    .error(format!("expected a number, found {found}")))
            }
        }
    }

    fn text_value(&mut self) -> Parsed<Right> {
        self.lexer.blank();
        if let Some(operand) = self.right_operand()? {
            return Ok(Right::Operand(operand));
        }
        self.word().map(Right::Value)
    }

    fn word(&mut self) -> Parsed<Word> {
        if let Some(text) = self.lexer.quoted()? {
            return Ok(text);
        }
        if let Some(text) = self.lexer.bare() {
            return Ok(text);
        }
        let found = self.lexer.found();
        Err(self.lexer.error(format!("expected a value, found {found}")))
    }

    fn list_value(&mut self) -> Parsed<Right> {
        self.lexer.blank();
        if self.lexer.symbol("(") {
            return self.words().map(Right::List);
        }
        if let Some(operand) = self.right_operand()? {
            return Ok(Right::Operand(operand));
        }
        match self.lexer.identifier() {
            Some(name) => Ok(Right::List(vec![name])),
            None => {
                let found = self.lexer.found();
                Err(SyntaxError {
                    hint: Some("put the values in brackets: (a, b)".to_owned()),
                    ..self.lexer.error(format!("expected a list, found {found}"))
                })
            }
        }
    }

    /// Values of a list whose bracket has been opened; none at all are allowed.
    fn words(&mut self) -> Parsed<Vec<Word>> {
        let mut words = Vec::new();
        self.lexer.blank();
        if self.lexer.symbol(")") {
            return Ok(words);
        }
        loop {
            self.lexer.blank();
            words.push(self.word()?);
            self.lexer.blank();
            if !self.lexer.symbol(",") {
                break;
            }
        }
        if self.lexer.symbol(")") {
            return Ok(words);
        }
        let found = self.lexer.found();
        Err(self
            .lexer
            .error(format!("expected ',' or ')' in the list, found {found}")))
    }

    /// `val(field)` or a transformer.
    fn right_operand(&mut self) -> Parsed<Option<Operand>> {
        if self.lexer.symbol("val(") {
            self.lexer.blank();
            let Some(name) = self.lexer.field_name() else {
                return Err(self.lexer.error("expected a field within val()"));
            };
            let field = self.field(name)?;
            self.lexer.blank();
            if !self.lexer.symbol(")") {
                return Err(self.lexer.error("expected ')' after the field in val()"));
            }
            return Ok(Some(Operand::Field(field)));
        }
        let at = self.lexer.at();
        match self.lexer.transformer() {
            Some(transformer) => self.transform(transformer, at).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod grammar_tests;
#[cfg(test)]
mod tests;
