"""The values of the tests, pickled by Python.

Without arguments: writes values.txt. Every line holds an expression, its
repr(), and its pickles in protocols 0 to 5 in hexadecimal, separated by tabs;
"=" stands for the same pickle as in the protocol before.

With the argument "show": reads lines from standard input, each an expression,
and answers its repr(). With "echo": reads lines, each a pickle in hexadecimal,
and answers the value's repr() and its pickles in protocols 0 to 5. With "same": reads lines, each a pickle in hexadecimal
of a list of two, and answers whether both are one object. With "check": reads lines from standard input, each an expression
and a pickle in hexadecimal, and answers what the pickle's value is, by repr(),
or "same" if it equals the expression's value and has no telling repr().
"""

import collections
import datetime
import decimal
import fractions
import pickle
import sys
import types
import uuid

VALUES = r"""
None
True
False
0
1
255
256
65535
65536
-1
-128
-129
2**31 - 1
2**31
-2**31
-2**31 - 1
2**63 - 1
2**63
-2**63
-2**63 - 1
2**64
-2**64
10**100
-10**100
2**2039 - 1
2**2039
-2**2039
-2**2039 - 1
2**2100
-2**2100
0.0
-0.0
1.0
-1.5
0.1
1e15
1e16
1.5e-5
0.0001
123456789.125
1.7976931348623157e308
5e-324
float('inf')
float('-inf')
float('nan')
1j
-1j
1 + 2j
complex(-0.0, -0.0)
complex(1.5, float('nan'))
complex(float('inf'), float('-inf'))
''
'a'
'hello world'
'h\xe9llo'
'\u65e5\u672c'
'\U0001f600 \U00010000 \U0010ffff'
'tab\t newline\n return\r nul\0 sub\x1a delete\x7f'
'back\\slash \\u0041 \\ \\\\ end\\'
"it's"
'say "x"'
'''it's "x"'''
'\xa0 \xad \u2028 \ufffe \U000e0001'
'x' * 255
'x' * 256
'\xe9' * 130
b''
b'a'
b'it\'s'
bytes(range(256))
b'x' * 255
b'x' * 256
bytearray()
bytearray(b'abc\xff')
bytearray(b'x' * 256)
[]
[1, 2, 3]
[None, True, False, 1, 1.5, 'a', b'b', [2], (3,), {4: 5}, {6}]
list(range(1005))
()
(1,)
(1, 2)
(1, 2, 3)
(1, 2, 3, 4)
tuple(range(300))
((), ((),), [((),)])
{}
{'a': 1}
{'b': 1, 'a': [2], 'c': {}}
{i: -i for i in range(520)}
{(1, 2): 't', 1.5: None, b'k': True, None: 0, frozenset({7}): 2, -1: 3, 10**30: 4, 1j: 5}
[{'name': 'x', 'age': i} for i in range(5)]
set()
{1}
{1, 2, 3}
set(range(1005))
{(1, (2,))}
frozenset()
frozenset({1})
frozenset({1, 2, 3})
{frozenset({1}), frozenset()}
collections.OrderedDict()
collections.OrderedDict([('b', 1), ('a', [2])])
[[]] * 3
['long text ' * 20] * 3
[b'long bytes ' * 20] * 3
[2**600] * 3
recursive_list
recursive_dict
recursive_tuple
recursive_ordered
cross
int
len
ValueError
datetime.date(2024, 2, 29)
datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
[datetime.timedelta(1)] * 2
decimal.Decimal('1.50')
fractions.Fraction(1, 3)
uuid.UUID(int=5)
range(1, 10, 2)
slice(1, 2)
collections.deque([1, 2], 5)
collections.defaultdict(list, {'a': [1]})
collections.Counter('abca')
types.SimpleNamespace(a=1, b=[2])
ValueError('x', 1)
...
NotImplemented
""".strip().split('\n')

recursive_list = [1]
recursive_list.append(recursive_list)
recursive_dict = {}
recursive_dict['self'] = [recursive_dict]
recursive_tuple = ([], 1)
recursive_tuple[0].append(recursive_tuple)
recursive_ordered = collections.OrderedDict()
recursive_ordered['self'] = recursive_ordered
_a, _b = [], []
cross = (_a, _b, [(_a, _b)], 4)
_a.append(cross)
_b.append(cross)
_a.append({'cross': cross})

DATA = (type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)


def show(v, path=()):
    """repr(), but OrderedDict as Python 3.12 shows it, and "..." alone for recursion."""
    if id(v) in path:
        return '...'
    path += (id(v),)
    several = lambda a, items, z: a + ', '.join(show(i, path) for i in items) + z
    pairs = lambda d: '{' + ', '.join(show(k, path) + ': ' + show(d[k], path) for k in d) + '}'
    t = type(v)
    if t is list:
        return several('[', v, ']')
    if t is tuple:
        return several('(', v, ',)' if len(v) == 1 else ')')
    if t is dict:
        return pairs(v)
    if t is collections.OrderedDict:
        return 'OrderedDict(' + pairs(v) + ')'
    if t is set and v:
        return several('{', v, '}')
    if t is frozenset and v:
        return several('frozenset({', v, '})')
    if t is bytearray:
        return 'bytearray(' + repr(bytes(v)) + ')'  # its own repr() escapes every quote
    if t not in DATA:
        raise TypeError
    return repr(v)


def show_or_same(v, expression):
    try:
        return show(v)
    except TypeError:
        want = eval(expression)
        if v == want or type(v) is type(want) and repr(v) == repr(want):
            return 'same'
        return 'not the same: ' + repr(v)


def write():
    with open('values.txt', 'w', encoding='ascii') as f:
        for expression in VALUES:
            v = eval(expression)
            fields, last = [expression, ascii(show_or_same(v, expression))], None
            for protocol in range(6):
                p = pickle.dumps(v, protocol)
                if p[:1] == b'\x80' and last and p[2:] == last[2:]:
                    fields.append('=')
                else:
                    fields.append(p.hex())
                last = p
            f.write('\t'.join(fields) + '\n')


def check():
    for line in sys.stdin:
        expression, data = line.rstrip('\n').split('\t')
        try:
            print(ascii(show_or_same(pickle.loads(bytes.fromhex(data)), expression)))
        except Exception as e:
            print('error: ' + ascii(e))


def show_all():
    for line in sys.stdin:
        print(ascii(show(eval(line))))


def same():
    for line in sys.stdin:
        a, b = pickle.loads(bytes.fromhex(line))
        print(a is b)


def echo():
    for line in sys.stdin:
        v = pickle.loads(bytes.fromhex(line))
        print('\t'.join([ascii(show(v))] + [pickle.dumps(v, n).hex() for n in range(6)]))


{'check': check, 'echo': echo, 'show': show_all, 'same': same, '': write}[sys.argv[1] if len(sys.argv) > 1 else '']()
